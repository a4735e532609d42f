"""``SeenItems``: the items that each of N users has seen, kept as lists, not as full masks."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, IntArray, KeepsArrays
from llmrec_env.common.top_k import Pairs

NOTHING = -1


class SeenItems(KeepsArrays):
    """The items that each of N users has seen.

    Args:
        num_rows: how many users, N.
        n_items: size of the catalogue.

    Attributes:
        counts: int64 (N,), how many items each has seen.
        begun: int64 (N,), how many users each row has had. Within one, what is seen only grows.
    """

    def __init__(self, num_rows: int, n_items: int) -> None:
        self._n_items = n_items
        self._items = np.full((num_rows, 64), NOTHING, dtype=np.int64)
        self._rows = np.arange(num_rows)
        self.counts = np.zeros(num_rows, dtype=np.int64)
        self.begun = np.zeros(num_rows, dtype=np.int64)

    def begin(self, row: int, history: IntArray) -> None:
        """Another user in this row, who has seen the items of ``history``."""
        items = np.unique(history)
        self._make_room(len(items))
        self._items[row] = NOTHING
        self._items[row, : len(items)] = items
        self.counts[row] = len(items)
        self.begun[row] += 1

    def has(self, items: IntArray) -> BoolArray:
        """Whether each user has seen an item of int64 (N,); bool (N,)."""
        found: BoolArray = (self._items == items[:, None]).any(axis=1)
        return found

    def has_each(self, items: IntArray) -> BoolArray:
        """Whether each user has seen each item of their row of int64 (N, K); bool (N, K)."""
        known = self._items[:, None, : self.counts.max(initial=0)]
        found: BoolArray = (known == items[:, :, None]).any(axis=2)
        return found

    def add(self, rows: BoolArray, items: IntArray) -> None:
        """The users of ``rows`` bool (N,) see their item of int64 (N,) for the first time."""
        self._make_room(int(self.counts.max()) + 1)
        self._items[self._rows[rows], self.counts[rows]] = items[rows]
        self.counts += rows

    def of(self, row: int) -> IntArray:
        """The items that one user has seen, ascending."""
        return np.sort(self._items[row, : self.counts[row]])

    def pairs(self, rows: IntArray | None = None) -> Pairs:
        """What the users of ``rows``, int64 (M,), have seen, or everybody, as pairs.

        Returns:
            places in ``rows`` and items, int64 (P,) each.
        """
        known = self._items if rows is None else self._items[rows]
        users, places = np.nonzero(known != NOTHING)
        return users, known[users, places]

    def unseen_masks(self) -> BoolArray:
        """Bool (N, n_items), true where the user has not seen the item."""
        masks = np.ones((len(self.counts), self._n_items), dtype=np.bool_)
        masks[self.pairs()] = False
        return masks

    def _make_room(self, width: int) -> None:
        if width > self._items.shape[1]:
            more = np.full((len(self._items), width), NOTHING, dtype=np.int64)
            self._items = np.concatenate([self._items, more], axis=1)
