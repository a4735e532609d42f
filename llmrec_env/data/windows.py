"""The moving window: the rule for which items of a sequence a model reads at each step.

After ``t`` items the model reads those from ``start(t)`` on:

    start(t) = B * max(0, ceil((t - W) / B))          W the window, B the block by which it moves

This one rule serves the LE and the recommenders: learning, labelling and the environments. A
*chunk* is a stretch of steps that share one start, so that one causal pass answers them all::

    items    0 ......... W ... W+B ... W+2B
    chunk 0  [---------]                       steps 1 .. W
    chunk 1     [B ---------]                  steps W+1 .. W+B, read from item B
    chunk 2         [2B ---------]             steps W+B+1 .. W+2B
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.settings_types import check_types
from llmrec_env.data.log import InteractionLog


@dataclass(frozen=True)
class Window:
    """How much of a history a model reads.

    Raises:
        SettingError: the block is not within 1 and the size.
    """

    size: int = 64
    """Items read at most (W)."""
    block: int = 32
    """Items by which the start moves (B); a cache is rebuilt once in so many steps."""

    def __post_init__(self) -> None:
        check_types(self)
        if not 1 <= self.block <= self.size:
            raise SettingError(
                f"a window of {self.size} items cannot move by blocks of {self.block}; "
                "the block must lie between 1 and the window's size"
            )

    @classmethod
    def halving(cls, size: int) -> Window:
        """A window that moves by half its size, rounded down, but by one item at least."""
        return cls(size, max(1, size // 2))

    def start(self, t: IntArray) -> IntArray:
        """First item read after ``t`` items, int64, elementwise."""
        return self.block * np.maximum(0, -(-(t - self.size) // self.block))


@dataclass(frozen=True, eq=False)
class Chunks:
    """Stretches of steps that share a start; every array is int64 of shape (n_chunks,).

    Attributes:
        users: whose sequence.
        starts: place of the first item read, within the user's sequence.
        firsts: the first step ``t`` (number of items taken) that this chunk answers.
        lasts: the last one.
        ends: one past the last item read: ``lasts``, and one more item where the sequence goes on,
            since the reward of the item after step ``lasts`` is read at that item.
    """

    users: IntArray
    starts: IntArray
    firsts: IntArray
    lasts: IntArray
    ends: IntArray

    def __len__(self) -> int:
        return len(self.users)

    @property
    def widths(self) -> IntArray:
        """Items read by each chunk."""
        return self.ends - self.starts

    def take(self, rows: IntArray) -> Chunks:
        """Some of the chunks."""
        parts = (self.users, self.starts, self.firsts, self.lasts, self.ends)
        return Chunks(*(part[rows] for part in parts))


def chunk_steps(steps: IntArray, lengths: IntArray, window: Window) -> Chunks:
    """The chunks that answer the first steps of every sequence, each step once.

    Args:
        steps: int64 (n_users,), the steps 1 to ``steps`` of each sequence are answered.
        lengths: int64 (n_users,), how many items each has; no less than ``steps``.
        window: how much is read at once.
    """
    counts = np.where(steps > 0, 1 + window.start(steps) // window.block, 0)
    users = np.repeat(np.arange(len(steps)), counts)
    number = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
    firsts = np.where(number == 0, 1, window.size + (number - 1) * window.block + 1)
    lasts = np.minimum(steps[users], window.size + number * window.block)
    ends = np.minimum(lengths[users], lasts + 1)
    return Chunks(users, number * window.block, firsts, lasts, ends)


def chunk_log(log: InteractionLog, window: Window) -> Chunks:
    """The chunks that answer every step of every sequence of ``log``, each step once."""
    return chunk_steps(log.lengths, log.lengths, window)
