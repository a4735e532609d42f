"""How users go on: sessions of simulated users beside those of the log.

Both begin with the same users and the first half of what each took. The logged session is the rest;
in the simulated one a policy recommends, and the user takes or skips, until they leave or the time
limit ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.random_indexing import random_indexing
from llmrec_env.envs.common.registration import MAX_EPISODE_STEPS
from llmrec_env.envs.next_item.initial_histories import MIN_INITIAL_ITEMS, InitialHistories
from llmrec_env.evaluation.collecting import called, collect
from llmrec_env.evaluation.fidelity.acceptance import mean_over_users
from llmrec_env.evaluation.fidelity.drawing import kinds
from llmrec_env.evaluation.fidelity.session_ends import SessionEnds, session_ends
from llmrec_env.evaluation.intervals import Interval, clustered
from llmrec_env.evaluation.policies import PopularPolicy, PreferencePolicy
from llmrec_env.evaluation.stochastic import EpsilonGreedy, SoftmaxPolicy, StochasticPolicy
from llmrec_env.users.base import UserSimulator

EPISODES = 300
"""Users whose sessions are looked at, at most."""
PLACES = 20
"""Places of a session that a curve shows, at most."""
FEWEST = 20
"""Sessions without which a place is not shown."""
PATIENCE = 5
"""Skips in a row after which a user of an environment leaves, unless it is told otherwise."""
LENGTH, REPEATS, SWITCHING = "items taken", "repeats of a category", "changes of category"
RETURN = "return to an earlier category"
POPULARITY, DIVERSITY = "popularity", "diversity"


@dataclass(frozen=True)
class Sessions:
    """What sessions are like, each figure with its 95% interval over users.

    Attributes:
        figures: "items taken" in a session; "repeats of a category", the share of takes whose
            category was taken before in the session; "changes of category", the share of takes of
            another category than the one before; "return to an earlier category", the share of
            takes of a category that the user took before the session began; "popularity" and
            "diversity", the means of the curves over all takes.
        popularity: by place in the session, the popularity of the item taken: the share of training
            interactions with items that are rarer, from 0 to 1.
        diversity: by place from the second on, one minus the mean cosine of the item taken and
            those before it in the session, by who takes them.
        users: how many sessions.
    """

    figures: dict[str, Interval]
    popularity: tuple[Interval, ...]
    diversity: tuple[Interval, ...]
    users: int


@dataclass(frozen=True)
class Behaviour:
    """Logged and simulated sessions of the same users.

    Everything but the number of items taken is told of sessions of equal length: of each user's two
    sessions the longer one is cut to the length of the other.

    Attributes:
        policy: who recommended to the simulated users.
        patience: skips in a row after which they leave; it decides the number of items taken, and
            is not part of what they are like otherwise.
        logged: of the log.
        simulated: of the simulator.
        ends: where sessions end by what the simulator learned of it; None where it learned none.
    """

    policy: str
    patience: int
    logged: Sessions
    simulated: Sessions
    ends: SessionEnds | None = None


def behaviour(
    simulator: UserSimulator, train: InteractionLog, held_out: InteractionLog, seed: int
) -> Behaviour | None:
    """Sessions of the same held-out users in the log and in the simulator.

    What is recommended is drawn from the simulator's own action model, so that both sides are about
    what these users go on with; a simulator without one is shown what is popular.

    Args:
        simulator: who answers.
        train: what popularity counts, and who takes what.
        held_out: the users; those of whom only later items are held out have no session.
        seed: of the episodes.

    Returns:
        None where fewer than :data:`FEWEST` users have a session.
    """
    cuts = np.maximum(held_out.lengths // 2, MIN_INITIAL_ITEMS)
    able = (held_out.lengths > cuts) & (held_out.first_target <= cuts)
    if able.sum() < FEWEST:
        return None
    users = held_out.select_users(np.flatnonzero(able))
    policy: StochasticPolicy
    if simulator.has_action_model:
        policy = SoftmaxPolicy(PreferencePolicy(simulator))
    else:
        policy = EpsilonGreedy(PopularPolicy(train))
    episodes = min(EPISODES, users.n_users)
    # Nobody leaves, so that sessions are long enough to look at; when they would have is known.
    found = collect(policy, simulator, users, episodes, seed, patience=MAX_EPISODE_STEPS)
    histories = InitialHistories(users)
    names = {name: row for row, name in enumerate(users.user_ids)}
    simulated, logged, lengths, earlier = [], [], [], []
    for user_id, rows in zip(found.user_ids, found.episode_rows, strict=True):
        accepted = found.accepted[rows]
        earlier.append(histories.history(names[user_id]))
        own = users.sequence(names[user_id])[histories.cuts[names[user_id]] :]
        own, theirs = own[:MAX_EPISODE_STEPS], found.items[rows][accepted]
        lengths.append((len(own), _taken_until_left(accepted)))
        both = min(len(own), len(theirs))
        simulated.append(theirs[:both])
        logged.append(own[:both])
    look = _Look(train)
    counts = np.array(lengths, dtype=np.float64)
    return Behaviour(
        called(policy),
        PATIENCE,
        look.at(logged, earlier, counts[:, 0], seed),
        look.at(simulated, earlier, counts[:, 1], seed),
        session_ends(simulator, policy, users, episodes, seed),
    )


def _taken_until_left(accepted: BoolArray) -> int:
    """Items that a user takes until they have skipped :data:`PATIENCE` in a row."""
    skipped = taken = 0
    for took in accepted.tolist():
        skipped = 0 if took else skipped + 1
        taken += took
        if skipped == PATIENCE:
            break
    return taken


class _Look:
    """Looks at sessions with the eyes of a training log."""

    def __init__(self, train: InteractionLog) -> None:
        counts = train.item_counts()
        _, place = np.unique(counts, return_inverse=True)
        mass = np.bincount(place, weights=counts.astype(np.float64))
        self._popularity = ((np.cumsum(mass) - mass) / max(1, len(train)))[place]
        self._vectors: FloatArray = random_indexing(train)
        self._kinds = kinds(train.catalogue)

    def at(
        self,
        sessions: Sequence[IntArray],
        earlier: Sequence[IntArray],
        taken: Float64Array,
        seed: int,
    ) -> Sessions:
        """What some sessions are like, of users who took other items earlier, and so many until
        they left."""
        lengths = np.array([len(items) for items in sessions])
        users = np.arange(len(sessions))
        owners = np.repeat(users, lengths)
        places = np.concatenate([np.arange(n) for n in lengths])
        items = np.concatenate(sessions).astype(np.int64)
        popularity = self._popularity[items]
        distances = np.concatenate([self._distances(own) for own in sessions])
        figures = {LENGTH: mean_over_users(taken, users, seed)}
        if self._kinds is not None:
            again = np.concatenate([_again(self._kinds[own]) for own in sessions])
            turns = np.concatenate([_turns(self._kinds[own]) for own in sessions])
            pairs = zip(sessions, earlier, strict=True)
            back = [np.isin(self._kinds[own], self._kinds[old]) for own, old in pairs]
            if len(items):
                known_kinds = np.concatenate(back).astype(np.float64)
                figures[RETURN] = mean_over_users(known_kinds, owners, seed)
            later = places > 0
            if later.any():
                figures[REPEATS] = mean_over_users(again[later], owners[later], seed)
                figures[SWITCHING] = mean_over_users(turns[later], owners[later], seed)
        known = ~np.isnan(distances)
        if len(items):
            figures[POPULARITY] = mean_over_users(popularity, owners, seed)
        if known.any():
            figures[DIVERSITY] = mean_over_users(distances[known], owners[known], seed)
        return Sessions(
            figures,
            _curve(popularity, owners, places, 0),
            _curve(distances, owners, places, 1),
            len(sessions),
        )

    def _distances(self, items: IntArray) -> Float64Array:
        """From each item to those before it, float64 (n,); NaN at the first."""
        vectors = self._vectors[items].astype(np.float64)
        before = np.cumsum(vectors, axis=0) - vectors
        count = np.arange(len(items))
        found = np.full(len(items), np.nan)
        found[1:] = 1.0 - (vectors[1:] * before[1:]).sum(axis=1) / count[1:]
        return found


def _again(kinds: IntArray) -> Float64Array:
    """Whether each kind was there before, float64 (n,)."""
    _, first = np.unique(kinds, return_index=True)
    found = np.ones(len(kinds))
    found[first] = 0.0
    return found


def _turns(kinds: IntArray) -> Float64Array:
    """Whether each kind is another than the one before, float64 (n,)."""
    return np.concatenate([np.zeros(min(1, len(kinds))), (kinds[1:] != kinds[:-1]).astype(float)])


def _curve(
    values: Float64Array, owners: IntArray, places: IntArray, first: int
) -> tuple[Interval, ...]:
    found = []
    for place in range(first, PLACES):
        rows = places == place
        if rows.sum() < FEWEST:
            break
        found.append(clustered(values[rows], owners[rows]))
    return tuple(found)
