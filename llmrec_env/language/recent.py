"""``Recent``: the last items of N histories, as much of them as a moving window can ask for."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray, KeepsArrays
from llmrec_env.data.windows import Window


class Recent(KeepsArrays):
    """The last items of N histories, what became of each, and where reading starts.

    Args:
        n: histories.
        window: how much is read.

    Attributes:
        items: int64 (N, W), the last one at the end; what stands before a history means nothing.
        values: float32 (N, W), how each was liked, on the LE's scale; NaN where unknown.
        skipped: bool (N, W), whether each was shown and left.
        total: int64 (N,), items in all.
    """

    def __init__(self, n: int, window: Window) -> None:
        self._window = window
        self.items = np.zeros((n, window.size), dtype=np.int64)
        self.values = np.full((n, window.size), np.nan, dtype=np.float32)
        self.skipped = np.zeros((n, window.size), dtype=np.bool_)
        self.total = np.zeros(n, dtype=np.int64)

    def put(self, row: int, history: IntArray, values: FloatArray | None) -> None:
        """Begin a row with a history, of which nothing was skipped."""
        last = history[-self.items.shape[1] :]
        self.items[row, -len(last) :] = last
        self.values[row], self.skipped[row] = np.nan, False
        if values is not None:
            self.values[row, -len(last) :] = values[-len(last) :]
        self.total[row] = len(history)

    def append(self, rows: IntArray, items: IntArray, skipped: BoolArray) -> BoolArray:
        """One more item, of unknown feedback, for each of ``rows``; all of shape (M,).

        Returns:
            bool (M,), whose window moved.
        """
        for kept, new in ((self.items, items), (self.values, np.nan), (self.skipped, skipped)):
            kept[rows, :-1] = kept[rows, 1:]
            kept[rows, -1] = new
        before = self._window.start(self.total[rows])
        self.total[rows] += 1
        return self._window.start(self.total[rows]) != before

    def lengths(self, rows: IntArray) -> IntArray:
        """How many items of each of ``rows`` are in the window."""
        return self.total[rows] - self._window.start(self.total[rows])

    def left(self) -> IntArray:
        """How many more items move the window, int64 (N,), at least 1."""
        return self._window.start(self.total) + self._window.size + 1 - self.total

    def cut(
        self, rows: IntArray, lengths: IntArray
    ) -> tuple[list[IntArray], list[FloatArray], list[BoolArray]]:
        """The last items of ``rows``, ``lengths`` of each, how they were liked and if skipped."""
        pairs = list(zip(rows.tolist(), lengths.tolist(), strict=True))
        items = [self.items[row, -length:] for row, length in pairs]
        values = [self.values[row, -length:] for row, length in pairs]
        return items, values, [self.skipped[row, -length:] for row, length in pairs]
