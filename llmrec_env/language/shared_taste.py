"""Where items' own vectors begin: at what users share, in closed form.

    min  sum_ui w_ui (x_ui - u_u . y_i)^2 + lambda (|U|^2 + |Y|^2)      x: taken or not
                                                                       w: alpha if taken, else 1

is solved by alternating least squares (Hu et al. 2008). A user of n items is told by them alone,

    u = alpha (Y'Y + lambda I + (alpha - 1) n C)^-1 sum_i y_i = M ybar    C: mean of y y' over takes

with C and the mean n in the place of the user's own, so that u is linear in a mean of y, as states
are in a mean of features. With ``Y M Y' = Z Z'`` the items' own vectors begin at ``q = R Z``, and
the map of long memory at ``L = g R R'``, R random and orthonormal: the cosine of state and item
begins at texts and shared taste together. Learning goes on from there. From zero it finds a part of
it only: an LE of the generated world then ranks held-out items worse than these factors alone.

How many factors, validation users decide: those by which their next items rank best. Where these
are the most that are tried, few factors do not hold what users share, but pairs of items do; the
factors are then known by heart from the first step on, and items begin at zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.progress import track
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.heads import LONG_DECAY, Heads, recency_weights

ALPHA, PENALTY, ROUNDS = 10.0, 0.1, 15
"""Weight of what was taken beside what was not, lambda, and rounds of both sides."""
SIZES = (8, 16, 32)
"""Factors that are tried."""
OWN, LONG_RUN = 2.0, 2.0
"""Length of an item's own vector at first, beside 1, that of its text's features, and g."""
NUMBERS = 1 << 22
"""Numbers of second moments that are held at once, about."""
STEPS = 50
"""Steps of a validation user that are ranked, the last ones."""


def begin_shared(
    heads: Heads, log: InteractionLog, validation: InteractionLog, masked: bool, seed: int
) -> dict[str, Any] | None:
    """Let the items' own vectors, and what states make of them, begin at what users share.

    Args:
        heads: of an LE that has learned nothing; nothing is done where they have.
        log: the users from whom it is going to learn.
        validation: held-out users, who decide how many factors.
        masked: whether what they took before is left out where next items are ranked.
        seed: of the factors and of the directions R.

    Returns:
        NDCG@10 of the next items by ``popularity`` and by each number of factors, and how many are
        ``kept``: 0 where popularity is best, or the most that are tried; None where nothing was
        done.
    """
    if heads.id_correction is None or heads.id_correction.any():
        return None
    counts = torch.from_numpy(log.item_counts().astype(np.float32))
    decay = LONG_DECAY if heads.ordered else 1.0
    one = torch.ones(log.n_items, 1)
    told = {"popularity": _ndcg(one, counts[:, None], validation, masked, decay)}
    best, kept = told["popularity"], 0
    factors = torch.zeros(log.n_items, 0)
    sizes = [size for size in SIZES if size <= heads.id_correction.shape[1]]
    for size in track(sizes, "what users share"):
        own = shared_taste(log, size, seed)
        told[str(size)] = _ndcg(own, own, validation, masked, decay)
        if told[str(size)] > best:
            best, kept, factors = told[str(size)], size, own
    if kept == SIZES[-1]:
        kept = 0
    if kept:
        _begin(heads, factors, counts, seed)
    return {**told, "kept": kept}


@torch.no_grad()
def _begin(heads: Heads, factors: Tensor, counts: Tensor, seed: int) -> None:
    assert heads.id_correction is not None
    lengths = factors.square().sum(1)
    unit = factors / ((lengths * counts).sum() / counts.sum()).sqrt()
    shape = (heads.id_correction.shape[1], factors.shape[1])
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    directions = torch.linalg.qr(noise)[0]
    heads.id_correction.copy_(OWN * unit @ directions.T)
    onto = LONG_RUN * directions @ directions.T
    if heads.long_run:
        heads.long_map.copy_(onto)
    else:
        heads.state_map.weight.add_(onto.to(heads.state_map.weight.device))


def shared_taste(log: InteractionLog, size: int, seed: int) -> Tensor:
    """Z, float32 (n_items, size): how a user of items with mean z likes others is ``Z z``.

    Args:
        log: who took what, how often and when being left aside.
        size: factors.
        seed: of where they begin.
    """
    pairs = np.unique(log.row_users.astype(np.int64) * log.n_items + log.items)
    users, items = (torch.from_numpy(part) for part in np.divmod(pairs, log.n_items))
    generator = torch.Generator().manual_seed(seed)
    taken = torch.randn(log.n_items, size, generator=generator) * 0.01
    for _ in range(ROUNDS):
        takers = _solved(users, items, taken, log.n_users)
        taken = _solved(items, users, takers, log.n_items)
    counts = torch.bincount(items, minlength=log.n_items).float()
    moment = (taken * counts[:, None]).T @ taken / counts.sum()
    n = len(items) / log.n_users
    known = taken.T @ taken + PENALTY * torch.eye(size) + (ALPHA - 1) * n * moment
    values, axes = torch.linalg.eigh(torch.linalg.inv(known))
    return taken @ axes * values.clamp(min=0).sqrt()


def _solved(rows: Tensor, columns: Tensor, fixed: Tensor, n: int) -> Tensor:
    """The n factors on one side that fit best beside the ``fixed`` ones on the other.

    Args:
        rows: int64 (P,), whose factors are asked for, of each pair that was taken.
        columns: int64 (P,), of the other side.
        fixed: float32 (m, size).
        n: rows in all.
    """
    size = fixed.shape[1]
    order = torch.argsort(rows, stable=True)
    rows, own = rows[order], fixed[columns[order]]
    told = torch.zeros(n, size).index_add_(0, rows, ALPHA * own)
    shared = fixed.T @ fixed + PENALTY * torch.eye(size)
    found = torch.empty(n, size)
    block = max(1, NUMBERS // size**2)
    for first in range(0, n, block):
        last = min(first + block, n)
        begin, end = torch.searchsorted(rows, torch.tensor([first, last])).tolist()
        moments = torch.zeros(last - first, size, size)
        for start in range(begin, end, block):
            part = slice(start, min(start + block, end))
            moments.index_add_(0, rows[part] - first, own[part, :, None] * own[part, None])
        found[first:last] = torch.linalg.solve(
            shared + (ALPHA - 1) * moments, told[first:last, :, None]
        )[..., 0]
    return found


def _ndcg(read: Tensor, asked: Tensor, log: InteractionLog, masked: bool, decay: float) -> float:
    """NDCG@10 of the next items of users by ``asked . mean of read``, each (n_items, size)."""
    gains = []
    for items in map(torch.tensor, log.sequences()):
        if len(items) < 2:
            continue
        weights = recency_weights(len(items) - 1, decay)[-STEPS:]
        means = weights @ read[items[:-1]] / weights.sum(1, keepdim=True)
        scores, following = means @ asked.T, items[1:][-STEPS:, None]
        own = scores.gather(1, following)
        if masked:
            seen = torch.ones_like(weights).tril(len(items) - 1 - len(weights))
            step, at = torch.nonzero(seen, as_tuple=True)
            scores[step, items[at]] = -torch.inf
        rank = (scores > own).sum(1).float()
        gains.append(torch.where(rank < 10, 1 / torch.log2(rank + 2), 0.0))
    return float(torch.cat(gains).mean()) if gains else 0.0
