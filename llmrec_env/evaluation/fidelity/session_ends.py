"""Do simulated users leave when people do? Ends of sessions, item by item.

How long a session is depends on how many items anybody finds to take, and a time limit cuts it. So
what is compared is the hazard: of the items taken, how many were the last of their session,
overall and by their place after the initial history. A session that is cut tells everything of the
items before its last (Kaplan and Meier 1958). Of the last one it tells nothing where the log ends,
and where simulated users may also leave after a skip; who is asked after every item taken, and was
not gone when the time limit came, has outlived that one too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.sessions import sessions_of
from llmrec_env.envs.common.registration import MAX_EPISODE_STEPS
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.collecting import collect
from llmrec_env.evaluation.fidelity.acceptance import mean_over_users
from llmrec_env.evaluation.intervals import Interval, clustered
from llmrec_env.evaluation.stochastic import StochasticPolicy
from llmrec_env.users.base import UserSimulator

PLACES, FEWEST = 20, 20
"""Places that a curve shows at most, and items taken without which a place is not shown."""


@dataclass(frozen=True)
class SessionEnds:
    """Which share of the items taken are the last of their session.

    Attributes:
        told: what tells sessions in the log: "column" or "times".
        logged: of the log, with its 95% interval over users.
        simulated: of users who leave by the chance that the simulator learned.
        logged_by_place: of the first item taken after the initial history, the second, and so on.
        simulated_by_place: the same of the simulated users.
    """

    told: str
    logged: Interval
    simulated: Interval
    logged_by_place: tuple[Interval, ...]
    simulated_by_place: tuple[Interval, ...]


def session_ends(
    simulator: UserSimulator,
    policy: StochasticPolicy,
    users: InteractionLog,
    episodes: int,
    seed: int,
) -> SessionEnds | None:
    """Ends of the sessions of the same users, logged and simulated, after their initial histories.

    Args:
        simulator: who answers.
        policy: who recommends.
        users: held-out users.
        episodes: how many of them.
        seed: of the episodes.

    Returns:
        None where the simulator does not know when users leave, or the log of these users does not
        tell sessions.
    """
    if simulator.tells_leaving is None:
        return None
    histories = InitialHistories(users)
    told = simulator.sessions
    if told == "column" and "session" not in users.feedback.columns:
        return None
    sessions = sessions_of(users, told)
    if sessions is None:
        return None
    found = collect(
        policy, simulator, users, episodes, seed, patience=MAX_EPISODE_STEPS, leaving="learned"
    )
    rows_of = {name: row for row, name in enumerate(users.user_ids)}
    people = np.array([rows_of[name] for name in found.user_ids], dtype=np.int64)
    logged, simulated = _Items(), _Items()
    outlives = simulator.tells_leaving == "taken"
    for user, rows, gone in zip(people.tolist(), found.episode_rows, found.terminated, strict=True):
        taken = int(found.accepted[rows].sum())
        simulated.add(user, taken, bool(gone), outlives)
        first = int(users.offsets[user] + histories.cuts[user])
        length = int(np.argmax(sessions.ends[first:])) + 1
        logged.add(user, length, bool(sessions.known[first + length - 1]))
    if not len(logged) or not len(simulated):
        return None
    sides = [own.told(seed) for own in (logged, simulated)]
    return SessionEnds(sessions.told, sides[0][0], sides[1][0], sides[0][1], sides[1][1])


class _Items:
    """Items taken in sessions, and whether each was the last."""

    def __init__(self) -> None:
        self._users: list[IntArray] = []
        self._places: list[IntArray] = []
        self._ends: list[BoolArray] = []

    def __len__(self) -> int:
        return sum(map(len, self._users))

    def add(self, user: int, taken: int, ended: bool, outlives: bool = False) -> None:
        """A session in which so many items were taken; where it was cut, the user may be known to
        have outlived the last one."""
        known = taken if ended or outlives else taken - 1
        if known < 1:
            return
        self._users.append(np.full(known, user))
        self._places.append(np.arange(known))
        self._ends.append(np.arange(known) == (taken - 1 if ended else -1))

    def told(self, seed: int) -> tuple[Interval, tuple[Interval, ...]]:
        """The share that were the last, overall and by place."""
        users, places = np.concatenate(self._users), np.concatenate(self._places)
        ends: Float64Array = np.concatenate(self._ends).astype(np.float64)
        curve = []
        for place in range(PLACES):
            rows = places == place
            if rows.sum() < FEWEST:
                break
            curve.append(clustered(ends[rows], users[rows]))
        return mean_over_users(ends, users, seed), tuple(curve)
