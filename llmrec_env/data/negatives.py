"""Items that a user never met, drawn uniformly or by popularity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog

IntArray = NDArray[np.int64]
ROUNDS = 100  # redraws before a user counts as having met everything


class Negatives:
    """Draws items that the users of a log never met.

    Args:
        log: what counts as met: past and later items alike.
        popular_share: share of the draws that follow the items' counts; the rest are uniform.
    """

    def __init__(self, log: InteractionLog, popular_share: float) -> None:
        self._n_items = log.n_items
        self._met = np.unique(log.row_users * log.n_items + log.items)
        counts = log.item_counts().astype(np.float64)
        self._cumulative = np.cumsum(counts / counts.sum())
        self._popular_share = popular_share

    def draw(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each of ``users`` int64 (N,); int64 (N,).

        Raises:
            DataError: a user has met nearly every item.
        """
        items = self._propose(len(users), rng)
        for _ in range(ROUNDS):
            met = np.flatnonzero(self._is_met(users, items))
            if len(met) == 0:
                return items
            items[met] = self._propose(len(met), rng)
        raise DataError(
            f"user {int(users[met[0]])} has met nearly all of the {self._n_items} items; "
            "no item is left to tell the taken ones from"
        )

    def _propose(self, count: int, rng: np.random.Generator) -> IntArray:
        popular = np.searchsorted(self._cumulative, rng.random(count), side="right")
        uniform = rng.integers(0, self._n_items, count)
        items = np.where(rng.random(count) < self._popular_share, popular, uniform)
        return np.minimum(items, self._n_items - 1).astype(np.int64)

    def _is_met(self, users: IntArray, items: IntArray) -> NDArray[np.bool_]:
        keys = users * self._n_items + items
        place = np.minimum(np.searchsorted(self._met, keys), len(self._met) - 1)
        return self._met[place] == keys
