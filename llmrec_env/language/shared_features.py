"""Features of items that no text tells apart: what their users share.

    S_ij = C_ij / sqrt((C_i + 1) (C_j + 1))         C: pairs of items taken near one another
    S ~ V diag(l) V'                                the largest l > 0, one for each number
    p_i = norm(sqrt(l) V_i)

so that the cosine of two items says how often the same users take them near one another. An item
that nobody took gets random numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmrec_env.data.log import InteractionLog
from llmrec_env.data.neighbours import near_pairs

SPAN = 10
"""Places between two items of a sequence that count as near, at most."""
ROUNDS = 4
"""Rounds of the randomised decomposition."""


def shared_features(log: InteractionLog, size: int, seed: int) -> Tensor:
    """Unit vectors float32 (n_items, size) of the items' co-occurrence among the users of a log.

    Args:
        log: the users to learn from; without an order, pairs at any distance count alike.
        size: length of a vector; numbers beyond the items are zero.
        seed: of the decomposition and of what nobody took.
    """
    ordered = log.is_ordered
    left, right, together = near_pairs(
        log, SPAN if ordered else log.n_items, decay=1.0 if ordered else 0.0, backward=1.0
    )
    n = log.n_items
    places = torch.stack([torch.from_numpy(left), torch.from_numpy(right)])
    counts = torch.from_numpy(together)
    totals = torch.zeros(n, dtype=torch.float64).index_add_(0, places[0], counts) + 1
    values = (counts / (totals[places[0]] * totals[places[1]]).sqrt()).float()
    matrix = torch.sparse_coo_tensor(places, values, (n, n), check_invariants=True).coalesce()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, size, generator=generator)
    factors = main_factors(matrix, size, seed) if len(left) else torch.zeros(n, size)
    is_known = factors.norm(dim=1, keepdim=True) > 1e-4
    return torch.nn.functional.normalize(torch.where(is_known, factors, noise), dim=1)


def main_factors(matrix: Tensor, size: int, seed: int) -> Tensor:
    """F of ``F F'``, the positive part of a symmetric matrix of low rank: float32 (n, size).

    Args:
        matrix: float32 (n, n), dense or sparse.
        size: columns of F, the main ones first; those beyond n or of no positive eigenvalue are 0.
        seed: of the randomised decomposition.
    """
    n = len(matrix)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch draws where the decomposition begins
        u, scale, v = torch.svd_lowrank(matrix, q=min(size, n), niter=ROUNDS)
    positive = (u * v).sum(0) > 0  # of a symmetric matrix the sign is the eigenvalue's
    factors = torch.zeros(n, size)
    factors[:, : u.shape[1]] = u * (scale * positive).sqrt()
    return factors
