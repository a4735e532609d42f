"""The users from whom liking is learned, each cut at random into what is read and what is told."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.arrays import IntArray
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.log import InteractionLog

LEAST = 3
"""Items with feedback of a user from whom something is learned."""
SHORT = 15
"""Items that are read of a user at most in every other draw: short histories are many, and what is
learned from long ones alone tells less of them."""
TOLD = 64
"""Items of the rest that are asked about, of each user, at most."""


class Parts(NamedTuple):
    """Some users: what is read of each, and what is asked; all (B, …), right-padded."""

    items: Tensor
    values: Tensor  # NaN where the feedback is not told
    read: Tensor  # bool
    asked: Tensor
    wanted: Tensor
    there: Tensor  # float: 1 where something is asked

    def to(self, device: torch.device) -> Parts:
        """The same on a device."""
        return Parts(*(part.to(device) for part in self))


def users_with_feedback(scale: FeedbackScale, log: InteractionLog) -> IntArray:
    """The users of a log from whom liking can be learned, int64 (N,)."""
    rated = np.bincount(log.row_users, ~np.isnan(scale.values(log)), log.n_users)
    return np.flatnonzero(rated >= LEAST)


def too_little(source: str) -> str:
    """What to say of a log from whose feedback nothing can be learned."""
    return (
        f"no training user has {LEAST} items with feedback ({source}), from which liking is "
        "learned; leave it unread with feedback='none' (--feedback none)"
    )


class LikingUsers:
    """The users of a log with enough feedback.

    Args:
        log: all its users.
        scale: how feedback becomes numbers.
        most: items that are read of a user at most.
        hidden: share of the users of whom only the liked items are read.

    Attributes:
        users: those with enough, int64 (N,).
        wanted: float32 (n_interactions,), z of the log, NaN where unknown.
    """

    def __init__(self, log: InteractionLog, scale: FeedbackScale, most: int, hidden: float) -> None:
        self._log, self._most, self._hidden = log, most, hidden
        self._values, self.wanted = scale.values(log), scale.within_users(log)
        self.users = users_with_feedback(scale, log)

    def parts(self, users: IntArray, rng: np.random.Generator) -> Parts:
        """A random cut of each of some users."""
        rows = [self._cut(int(user), rng) for user in users]
        read, told = [own for own, _ in rows], [own for _, own in rows]
        values = [self._values[own] for own in read]
        for place in np.flatnonzero(rng.random(len(rows)) < self._hidden):
            liked = ~(self.wanted[read[place]] <= 0)
            read[place] = read[place][liked]
            values[place] = np.full(len(read[place]), np.nan, dtype=np.float32)
        items, there = _padded([self._log.items[own] for own in read], 0)
        asked, is_asked = _padded([self._log.items[own] for own in told], 0)
        return Parts(
            torch.from_numpy(items),
            torch.from_numpy(_padded(values, np.nan)[0]),
            torch.from_numpy(there),
            torch.from_numpy(asked),
            torch.from_numpy(_padded([self.wanted[own] for own in told], 0.0)[0]),
            torch.from_numpy(is_asked).float(),
        )

    def _cut(self, user: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        rows = rng.permutation(np.arange(self._log.offsets[user], self._log.offsets[user + 1]))
        known = ~np.isnan(self._values[rows])
        most = min(self._most, len(rows) - 2)
        if rng.random() < 0.5:
            most = min(most, SHORT)
        cut = int(rng.integers(1, most + 1))
        told = rows[cut:][known[cut:]]
        return rows[:cut], told[:TOLD]


def _padded(rows: list[Any], filler: float) -> tuple[Any, Any]:
    """Right-padded rows (B, T), and where something stands, bool."""
    lengths = np.array([len(row) for row in rows])
    there = np.arange(max(1, int(lengths.max()))) < lengths[:, None]
    padded = np.full(there.shape, filler, dtype=rows[0].dtype)
    padded[there] = np.concatenate(rows)
    return padded, there
