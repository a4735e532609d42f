"""``ReadAhead``: histories whose window is about to move, read from its next start beforehand.

Where a window moves, everything that is in it is read anew. A row that is a few items from there
gets a *lane*: a second row of the cache that begins at the window's next start. What is shown to
the row is read in its lane as well, in the same pass as all rows, so that where the window moves
its keys, values and output are there already::

    row 3    k0 k1 k2 … k30 | k31 … k62 | a           the window of now, nearly full
    lane 0                    k31 … k62 | a           the window to come

Many lanes are begun in one pass, whereas windows move one by one, and a pass over a single row
costs nearly as much as over many. The numbers are those of reading anew.
"""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import IntArray, KeepsArrays

AHEAD = 4
"""Items before a window moves from which on its row may have a lane."""
SPARE = 8
"""Rows to a lane."""
FEW_ROWS = 16
"""Rows below which nothing is read ahead: their windows move too rarely to share a pass."""


class ReadAhead(KeepsArrays):
    """Which rows have a lane.

    Args:
        n: rows, N; their lanes are the cache's rows from N on.

    Attributes:
        lanes: how many there are, E.
        owners: int64 (E,), the row of each lane, -1 where it is free.
    """

    def __init__(self, n: int) -> None:
        self.lanes = n // SPARE if n >= FEW_ROWS else 0
        self.owners = np.full(self.lanes, -1, dtype=np.int64)
        self._lane = np.full(n, -1, dtype=np.int64)

    @property
    def used(self) -> IntArray:
        """The owner of each lane up to the last that has one; row 0 stands in for none."""
        taken = np.flatnonzero(self.owners >= 0)
        return np.maximum(self.owners[: taken[-1] + 1 if len(taken) else 0], 0)

    def of(self, rows: IntArray) -> IntArray:
        """The cache's row of each row's lane, -1 where it has none; int64 (M,) in and out."""
        lane = self._lane[rows]
        return np.where(lane >= 0, lane + len(self._lane), -1)

    def free(self, rows: IntArray) -> None:
        """Take the lanes of ``rows`` away, where they have one."""
        lane = self._lane[rows]
        self.owners[lane[lane >= 0]] = -1
        self._lane[rows] = -1

    def due(self, left: IntArray, known: IntArray) -> IntArray:
        """Rows that get a lane now; none as long as no window moves with the next item.

        Args:
            left: int64 (N,), items after which each row's window moves.
            known: int64 (N,), items that are there already of what is read then.
        """
        without = (self._lane < 0) & (known > 0)
        if not self.lanes or not (without & (left == 1)).any():
            return np.empty(0, dtype=np.int64)
        places = np.flatnonzero(self.owners < 0)
        rows = np.flatnonzero(without & (left <= AHEAD))
        rows = rows[np.argsort(left[rows], kind="stable")][: len(places)]
        self.owners[places[: len(rows)]] = rows
        self._lane[rows] = places[: len(rows)]
        return rows
