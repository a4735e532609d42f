"""``Posterior``: what ratings say of a user in closed form, their place among all who rated.

    z_ui = c_i + v_i . u + e               u ~ N(0, I),  e ~ N(0, 1 / g)
    u | ratings = (I + sum_i g v_i v_i')^-1  sum_i g v_i (z_ui - c_i)

the best linear guess where users are spread as the training users are. The axes ``v`` are the main
ones of the items' covariance over these, so two items that the same people rate high lie close
together; g is learned, and so are z and another g for items of which is only known that they were
taken. An item that nobody rated has v = 0, and says nothing here.

A user among those whose covariance it is would be told too well, and what is learned beside it too
little: in learning, each fifth of the users is told by the axes of the others.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.shared_features import main_factors

AXES = 16
"""Length of u."""
SHRINK = 20.0
"""Added to the number of users who rated two items: few common users make no covariance."""
LEVEL_SHRINK = 5.0
"""Average ratings that an item's mean is taken together with."""
PAIRED, COMPARED, BLOCK = 200, 5000, 2048
"""Rated items of a user that are compared with one another, items that are compared at all, and
users at once: bounds of time and memory."""
OF_A_LIKE, WEIGHT_OF_A_LIKE = 0.8, 0.5
"""z and g of an item of which is only known that it was taken, before they are learned."""


class Posterior(nn.Module):
    """The part of a user that follows from their ratings without a network.

    Attributes:
        axes: float32 (n_items, size), buffer: v.

    Args:
        n_items: items of the catalogue.
        size: length of u; 0 where items are known by their texts alone.
    """

    axes: Tensor

    def __init__(self, n_items: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("axes", torch.zeros(n_items, size))
        self.log_weights = nn.Parameter(torch.tensor([1.0, WEIGHT_OF_A_LIKE]).log())
        self.of_a_like = nn.Parameter(torch.tensor(OF_A_LIKE))

    def terms(self, axes: Tensor, level: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """What items add to the precision of u, and what was to be expected of their ratings.

        Args:
            axes: float32 (…, size), v of the items.
            level: float32 (…,), c.
            known: float32 (…,), 1 where the rating is known.

        Returns:
            ``g v``, which times v' adds to the precision, and ``g v c``, of which ``g v z`` is
            taken off where only a like is known; both float32 (…, size).
        """
        rated, liked = self.log_weights.exp()
        weighted = torch.where(known > 0, rated, liked)[..., None] * axes
        expected = torch.where(known > 0, level, level - self.of_a_like)
        return weighted, weighted * expected[..., None]

    def users(self, precision: Tensor, rated: Tensor, expected: Tensor) -> Tensor:
        """u of users, float32 (…, size).

        Args:
            precision: the sum of ``g v v'``, (…, size, size).
            rated: the sum of ``z v`` over items whose rating is known, (…, size).
            expected: the sum of the second of :meth:`terms`.
        """
        if not self.size:
            return rated
        told = self.log_weights[0].exp() * rated - expected
        one = torch.eye(self.size, device=precision.device)
        factor = torch.linalg.cholesky(precision + one)
        return torch.cholesky_solve(told[..., None], factor)[..., 0]


def levels(log: InteractionLog, z: FloatArray) -> FloatArray:
    """How items are rated by all, c, float32 (n_items,).

    Args:
        log: the users.
        z: float32 (n_interactions,), feedback within its user; NaN where unknown.
    """
    rows = np.flatnonzero(~np.isnan(z))
    counts = np.bincount(log.items[rows], minlength=log.n_items)
    level = np.bincount(log.items[rows], z[rows], log.n_items) / (counts + LEVEL_SHRINK)
    return level.astype(np.float32)


def main_axes(log: InteractionLog, z: FloatArray, users: IntArray, size: int, seed: int) -> Tensor:
    """The main axes of the items' covariance over some users.

        S_ij = sum_u (z_ui - c_i) (z_uj - c_j) / (N_ij + 20)          N_ij: users who rated both
        S ~ V V'

    Args:
        log: all users.
        z: float32 (n_interactions,), feedback within its user; NaN where unknown.
        users: int64 (n,), those of whom the covariance is taken.
        size: of an axis.
        seed: of the decomposition, and of the items that stand for users of very many.

    Returns:
        V, float32 (n_items, size); zero for items that none of them rated, and for those beyond the
        5,000 rated most often.
    """
    rows = np.flatnonzero(~np.isnan(z) & np.isin(log.row_users, users))
    rows = _some_of_each(log, rows, np.random.default_rng([seed, 5]))
    counts = np.bincount(log.items[rows], minlength=log.n_items)
    items = np.sort(np.argsort(-counts, kind="stable")[: min(COMPARED, (counts > 0).sum())])
    place = np.full(log.n_items, -1)
    place[items] = np.arange(len(items))
    rows = rows[place[log.items[rows]] >= 0]
    apart = (z[rows] - levels(log, z)[log.items[rows]]).astype(np.float32)
    products = torch.zeros(2, len(items), len(items))
    for first in range(0, log.n_users, BLOCK):
        own = (log.row_users[rows] >= first) & (log.row_users[rows] < first + BLOCK)
        cells = np.stack([log.row_users[rows[own]] - first, place[log.items[rows[own]]]])
        for found, values in zip(products, (apart[own], np.ones(own.sum())), strict=True):
            told = torch.sparse_coo_tensor(
                torch.from_numpy(cells),
                torch.from_numpy(values).float(),
                (BLOCK, len(items)),
                check_invariants=True,
            )
            found += told.t() @ told.to_dense()
    axes = torch.zeros(log.n_items, size)
    if size and len(rows):
        covariance = products[0] / (products[1] + SHRINK)
        axes[torch.from_numpy(items)] = main_factors(covariance, size, seed)
    return axes


def _some_of_each(log: InteractionLog, rows: IntArray, rng: np.random.Generator) -> IntArray:
    """At most ``PAIRED`` rows of each user, drawn at random."""
    drawn = rows[np.lexsort((rng.random(len(rows)), log.row_users[rows]))]
    users = log.row_users[drawn]
    place = np.arange(len(users)) - np.searchsorted(users, users)
    return np.sort(drawn[place < PAIRED])
