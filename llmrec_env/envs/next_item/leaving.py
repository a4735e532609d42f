"""``LearnedLeaving``: users leave with the chance that the simulator says, not by patience alone.

``leaving="patience"``, the default, is a stated rule: so many skips in a row and the user is gone.
With ``leaving="learned"`` a user may leave after each item with the chance that the simulator
learned from the sessions of its log (:meth:`UserSimulator.leave_chance`), drawn by the row's own
generator, one draw a step more. A log that holds only what was taken says nothing of users who find
nothing: then the chance holds after an item taken, and patience for the skips as before.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.data.visits import Visits
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.users.base import Session, UserSimulator

PATIENCE, LEARNED = "patience", "learned"
LEAVING = (PATIENCE, LEARNED)


class LearnedLeaving:
    """The sessions of N users, as far as their leaving depends on them.

    Args:
        simulator: who says when users leave.
        histories: where episodes begin.
        num_rows: N.

    Attributes:
        after_skips: whether the chance holds after what was left, too, so that patience does not.
    """

    def __init__(
        self, simulator: UserSimulator, histories: InitialHistories, num_rows: int
    ) -> None:
        self._simulator = simulator
        self._before = histories.taken_in_session(simulator.sessions)
        self._visits = self._begun(np.zeros(num_rows, dtype=np.int64))
        self._asked = np.zeros(num_rows, dtype=np.bool_)
        self.after_skips = simulator.tells_leaving == "shown"

    @cached_property
    def _vectors(self) -> FloatArray:
        return self._simulator.visit_vectors

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled and copied: the items' vectors follow from the simulator."""
        return {name: value for name, value in self.__dict__.items() if name != "_vectors"}

    def _begun(self, taken: IntArray) -> Visits:
        return Visits.begun(taken, self._vectors.shape[1])

    def begin(self, rows: IntArray, users: IntArray) -> None:
        """Other users, int64 (M,), begin in ``rows``: in the session in which their initial
        histories break off, or in a new one."""
        self._visits = self._visits.put(rows, self._begun(self._before[users]))
        self._asked[rows] = False

    def step(self, items: IntArray, shown: BoolArray, took: BoolArray, liking: FloatArray) -> None:
        """What came of an item each, int64 (N,): who was shown something, new or not, who took it,
        bool (N,), and how they like it, float32 (N,), NaN where it was not new."""
        likings = liking.astype(np.float64)
        self._visits = self._visits.after(shown, took, likings, self._vectors[items])
        self._asked = shown if self.after_skips else took

    def leaves(
        self, session: Session, playing: BoolArray, generators: list[np.random.Generator]
    ) -> BoolArray:
        """Who leaves after the last step, bool (N,); each row of ``playing`` draws once."""
        luck = [own.random() if on else 1.0 for own, on in zip(generators, playing, strict=True)]
        chance = self._simulator.leave_chance(session, self._visits)
        found: BoolArray = playing & self._asked & (np.array(luck) < chance)
        return found


def learned_leaving(
    leaving: str, simulator: UserSimulator, histories: InitialHistories, num_rows: int
) -> LearnedLeaving | None:
    """The argument ``leaving`` of an environment, checked; None where patience alone counts.

    Raises:
        SettingError: there is no such way, or nobody knows when these users leave.
    """
    if check_name("leaving", leaving, LEAVING) == PATIENCE:
        return None
    if simulator.tells_leaving is None:
        raise SettingError(
            f"leaving={LEARNED!r}: {type(simulator).__name__} does not know when users leave. An "
            "LE learns it in `llmrec fit` from a log whose column session, or whose times, divide "
            f"it into sessions; else leave it at {PATIENCE!r}"
        )
    return LearnedLeaving(simulator, histories, num_rows)
