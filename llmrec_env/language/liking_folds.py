"""Batches of users to learn liking from, each told by axes that do not know its users."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.training import shuffled_batches
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.liking_users import LikingUsers
from llmrec_env.language.posterior import levels, main_axes

FOLDS = 5
"""Parts of the users, each of which is told by the axes of the others."""


class LikingFolds:
    """The users of a log in batches, see :mod:`language.posterior`.

    Args:
        log: the users.
        learned: those from whom something is learned.
        size: of an axis, r.
        batch_size: users of a batch, at most.
        seed: of folds and batches.

    Attributes:
        level: float32 (n_items,), how items are rated by all.
        axes: float32 (n_items, r), over all users.
    """

    def __init__(
        self, log: InteractionLog, learned: LikingUsers, size: int, batch_size: int, seed: int
    ) -> None:
        z, users = learned.wanted, learned.users
        self.level = torch.from_numpy(levels(log, z))
        self.axes = main_axes(log, z, users, size, seed)
        drawn = np.random.default_rng([seed, 2]).permutation(users)
        self._folds = np.array_split(drawn, min(FOLDS, len(users)))
        self._others = [
            _turned(main_axes(log, z, np.setdiff1d(users, own), size, seed), self.axes)
            for own in self._folds
        ]
        self._batches = [
            # Evenly: the last of an epoch would else be the few that are left.
            shuffled_batches(len(own), -(-len(own) // -(-len(own) // batch_size)), place)
            for place, own in enumerate(self._folds, seed)
        ]

    def batch(self, number: int) -> tuple[IntArray, Tensor]:
        """Users int64 (n,) of one fold, and the axes over all others, float32 (n_items, r)."""
        turn, fold = divmod(number, len(self._folds))
        return self._folds[fold][self._batches[fold](turn)], self._others[fold]


def _turned(axes: Tensor, like: Tensor) -> Tensor:
    """Axes (n_items, r) turned to lie as others do: ``V V'`` stays, and a number means the same.

    The rotation of orthogonal Procrustes. Of a covariance the axes are known up to one, and members
    learn what to make of each axis.
    """
    u, _, v = torch.linalg.svd(axes.T @ like)
    return axes @ (u @ v)
