"""Cuts item sequences into windows and batches them, for training and serving encoders.

The window moves by half its length at a time (:mod:`llmrec_env.data.windows`), so one pass over a
window gives the states of many positions, and learning, scoring and serving all see the same
items::

    max_length 4    t = 1..4 reads items 0..t-1      t = 5, 6 reads items 2..t-1      t = 7, 8 …
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.data.windows import Window, chunk_steps

GROUP = 8
"""Batches whose windows are sorted by length together."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows that together hold each state with a next item exactly once.

    Attributes:
        begin: int64 (n_windows,), the row of the window's first item among all items.
        read: int64 (n_windows,), how many items it reads, the last state's next item included.
        first: int64 (n_windows,), the place in the window of the first state that it owns; it owns
            all states from there up to the last but one item.
    """

    begin: IntArray
    read: IntArray
    first: IntArray

    @classmethod
    def over(cls, lengths: IntArray, max_length: int) -> Windows:
        """Cut sequences of these lengths, which lie one after the other, into windows."""
        lengths = np.asarray(lengths)
        offsets = np.concatenate([[0], np.cumsum(lengths)])[:-1]
        # The state after a sequence's last item has no next item: it is nobody's.
        chunks = chunk_steps(np.maximum(lengths - 1, 0), lengths, Window.halving(max_length))
        return cls(
            begin=offsets[chunks.users] + chunks.starts,
            read=chunks.widths,
            first=chunks.firsts - 1 - chunks.starts,
        )

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def sizes(self) -> IntArray:
        """How many states each window owns, int64 (n_windows,)."""
        return self.read - 1 - self.first

    @property
    def n_states(self) -> int:
        """How many states the windows own together."""
        return int(self.sizes.sum())

    def batch(self, items: IntArray, chosen: IntArray, padding: int) -> WindowBatch:
        """The ``chosen`` windows over ``items`` int64 (n_rows,), padded on the right."""
        begin, read, first = self.begin[chosen], self.read[chosen], self.first[chosen]
        places = np.arange(int(read.max()))
        inside = places < read[:, None]
        rows = np.where(inside, begin[:, None] + places, 0)
        owned = (places >= first[:, None]) & (places < read[:, None] - 1)
        return WindowBatch(np.where(inside, items[rows], padding), owned, rows[owned])


@dataclass(frozen=True, eq=False)
class WindowBatch:
    """Some windows as one array.

    Attributes:
        items: int64 (B, T), padded on the right.
        owned: bool (B, T), which states count; the item after each is at the next place.
        rows: int64 (P,), the row of each owned state's last item, in the order of ``owned``.
    """

    items: IntArray
    owned: BoolArray
    rows: IntArray


def last_window(histories: Sequence[IntArray], max_length: int, padding: int) -> IntArray:
    """What the encoder reads at the end of non-empty histories, int64 (N, T), padded right."""
    starts = Window.halving(max_length).start(np.array([len(h) for h in histories]))
    windows = [np.asarray(h)[s:] for h, s in zip(histories, starts, strict=True)]
    items = np.full((len(windows), max(map(len, windows))), padding, dtype=np.int64)
    for row, window in enumerate(windows):
        items[row, : len(window)] = window
    return items


class WindowBatches:
    """Shuffled batches of windows with about equally many states, and little padding.

    Windows are shuffled every epoch, then sorted by length within groups of :data:`GROUP` batches.

    Args:
        windows: what to batch.
        batch_size: states in a batch, about; never less than the largest window has.
        seed: seeds the epochs.
    """

    def __init__(self, windows: Windows, batch_size: int, seed: int) -> None:
        self._windows = windows
        self._seed = seed
        size = max(batch_size, int(windows.sizes.max()))
        self.per_epoch = max(1, windows.n_states // size)
        self._epoch = -1
        self._parts: list[IntArray] = []

    def __call__(self, step: int) -> IntArray:
        """The windows of the batch of a step, int64; a function of the step's number alone."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._parts = epoch, self._cut(epoch)
        return self._parts[place]

    def _cut(self, epoch: int) -> list[IntArray]:
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(self._windows))
        group = np.arange(len(order)) * -(-self.per_epoch // GROUP) // len(order)
        order = order[np.lexsort((self._windows.read[order], group))]
        ends = np.cumsum(self._windows.sizes[order])
        borders = ends[-1] * np.arange(1, self.per_epoch) / self.per_epoch
        parts = np.split(order, np.searchsorted(ends, borders, side="right"))
        return [parts[i] for i in rng.permutation(self.per_epoch)]
