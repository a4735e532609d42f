"""``OwnChoice``: the candidates that the simulated users themselves would rank highest."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray, KeepsArrays
from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.common.top_k import first_kept
from llmrec_env.envs.next_item.users_now import UsersNow
from llmrec_env.users.base import UserSimulator

SPARE = 16
"""Items of a list beyond those asked for: so many can be seen before it is too short."""


class OwnChoice(KeepsArrays):
    """Names the ``best_items`` of a simulator, and asks again only where a state has changed.

    An item that is not taken leaves no trace in a user, so the order of items stays as it was, and
    what was seen since drops out of it. The candidates are those of a search at every step.

    Args:
        simulator: whose users they are.
    """

    def __init__(self, simulator: UserSimulator) -> None:
        self._simulator = simulator
        self._forget(0, 0)

    def __call__(self, users: UsersNow, k: int) -> tuple[IntArray, FloatArray]:
        """K unseen items of each user, int64 and float32 (N, K), as ``best_items`` has them.

        Raises:
            SettingError: this kind of user names no items.
            SimulatorError: it named too few.
        """
        length = min(k + SPARE, self._simulator.n_items)
        if self._items.shape != (len(users.states), length):
            self._forget(len(users.states), length)
        kept = (self._items >= 0) & ~users.seen.has_each(self._items)
        stale = self._changed(users) | self._used_up(kept, k)
        rows = np.flatnonzero(stale)
        if len(rows):
            self._ask(rows, users)
            kept[rows] = self._items[rows] >= 0
        return first_kept(self._items, self._scores, kept, k)

    def _forget(self, num_rows: int, length: int) -> None:
        self._items = np.full((num_rows, length), -1, dtype=np.int64)
        self._scores = np.zeros((num_rows, length), dtype=np.float32)
        self._states = np.full((num_rows, self._simulator.state_size), np.nan, dtype=np.float32)
        self._begun = np.zeros(num_rows, dtype=np.int64)

    def _changed(self, users: UsersNow) -> BoolArray:
        """Whose state is not the one asked at, or who has come since, bool (N,)."""
        changed: BoolArray = (self._states != users.states).any(axis=1)
        return changed | (self._begun != users.seen.begun)

    def _used_up(self, kept: BoolArray, k: int) -> BoolArray:
        """Whose list has fewer than K left and did not hold all there are, bool (N,)."""
        used_up: BoolArray = (kept.sum(axis=1) < k) & (self._items[:, -1] >= 0)
        return used_up

    def _ask(self, rows: IntArray, users: UsersNow) -> None:
        states, expected = users.states[rows], (len(rows), self._items.shape[1])
        try:
            items, scores = self._simulator.best_items(states, expected[1], users.seen.pairs(rows))
        except SimulatorError as error:
            raise SettingError(f"{error}; name the candidates with retrieve=…") from None
        if not items.shape == scores.shape == expected:
            name = type(self._simulator).__name__
            raise SimulatorError(f"{name}.best_items gave {items.shape} items; expected {expected}")
        self._items[rows], self._scores[rows] = items, scores
        self._states[rows], self._begun[rows] = states, users.seen.begun[rows]
