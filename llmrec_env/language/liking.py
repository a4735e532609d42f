"""``LikingHead``: how much a user would like an item, from what they took and how they liked it.

Taking and liking are two questions. What a log's users took mixes taste with what they came across;
how they rated it is taste. The head reads a history as a set of pairs (item, feedback)::

    m_t, s_t   the user's own mean and spread of feedback until now; see :mod:`data.feedback`
    z_i        (v_i - m_t) / s_t where feedback is known, else 0 and a vector U for "unknown"
    p_t        sum_i ( a_i + z_i b_i + U [unknown] ) / (3 sqrt(n))
    u_t        R p_t + MLP(p_t)
    liking     Phi( u_t . q_j + c_j + d . u_t )                       Phi: normal distribution

where a, b, q, c of an item are linear in what its text says plus, with item ids, numbers of the
item's own, which are zero for an item that nobody rated. All sums grow by one term when an item is
taken, so an answer costs no more than two dot products beside the language model's token.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from llmrec_env.data.feedback import PRIOR


class LikingTables(NamedTuple):
    """All items as the liking head sees them.

    Attributes:
        taken: float32 (n_items, w), a: what taking the item says of a user.
        felt: float32 (n_items, w), b: what liking it more says.
        asked: float32 (n_items, w), q: who likes it.
        level: float32 (n_items,), c: how it is liked by all.
    """

    taken: Tensor
    felt: Tensor
    asked: Tensor
    level: Tensor


class Pools(NamedTuple):
    """Sums over the items of a history, float32 (…,) or (…, w); they grow with each item.

    Attributes:
        items: how many.
        known: items whose feedback is known.
        values: sum of v over these.
        squares: sum of v squared.
        taken: sum of a.
        felt: sum of b over items whose feedback is known.
        valued: sum of v b.
    """

    items: Tensor
    known: Tensor
    values: Tensor
    squares: Tensor
    taken: Tensor
    felt: Tensor
    valued: Tensor

    def at(self, *places: Tensor) -> Pools:
        """The sums at some places."""
        return Pools(*(part[places] for part in self))


class LikingHead(nn.Module):
    """Expected feedback of an item, given items and their feedback.

    Args:
        n_items: items of the catalogue.
        feature_size: length of an item's features, D.
        per_user: whether feedback is compared with the user's own.
        width: w.
        hidden: units of the MLP.
        dropout: of the MLP and of the user's vector while it learns.
        ids: whether items have numbers of their own, beside what their texts say.
    """

    def __init__(
        self,
        n_items: int,
        feature_size: int,
        per_user: bool = True,
        width: int = 64,
        hidden: int = 256,
        dropout: float = 0.3,
        ids: bool = True,
    ) -> None:
        super().__init__()
        self.n_items, self.width, self.per_user = n_items, width, per_user
        self.texts = nn.Linear(feature_size, 3 * width + 1, bias=False)
        self.own = nn.Parameter(torch.randn(n_items if ids else 0, 3 * width + 1) * 0.1)
        self.unknown = nn.Parameter(torch.zeros(width))
        self.straight = nn.Linear(width, width, bias=False)
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)
        self.user_level = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.texts.weight, std=0.1)
        with torch.no_grad():
            self.own[:, width : 2 * width] *= 3
            self.own[:, -1] = 0.0
            self.texts.weight[-1] = 0.0

    def begin(self, own: float, dropout: float) -> None:
        """Scale the items' own numbers, and set the dropout, before anything is learned."""
        with torch.no_grad():
            self.own.mul_(own)
        self.dropout.p = dropout

    def tables(self, features: Tensor, kept: Tensor | None = None) -> LikingTables:
        """What the head knows of every item.

        Args:
            features: float32 (n_items, D), of their texts.
            kept: float32 (n_items, 1), 0 for items that are to be known by their text alone.
        """
        known = self.texts(features)
        if len(self.own):
            known = known + (self.own if kept is None else self.own * kept)
        w = self.width
        taken, felt, asked, level = known.split([w, w, w, 1], dim=1)
        return LikingTables(taken, felt, asked, level[:, 0])

    def pools(self, tables: LikingTables, items: Tensor, values: Tensor) -> Pools:
        """Sums over the items up to each place of histories.

        Args:
            tables: of :meth:`tables`.
            items: int64 (B, T).
            values: float32 (B, T), v; NaN where feedback is unknown.

        Returns:
            Sums (B, T) and (B, T, w).
        """
        return Pools(*(part.cumsum(1) for part in self.terms(tables, items, values)))

    def terms(self, tables: LikingTables, items: Tensor, values: Tensor) -> Pools:
        """What each item adds to the sums; shapes as given, (…,)."""
        known = (~values.isnan()).float()
        v = values.nan_to_num(0.0)
        felt = tables.felt[items] * known[..., None]
        return Pools(
            torch.ones_like(v), known, v, v * v, tables.taken[items], felt, felt * v[..., None]
        )

    def users(self, pools: Pools) -> Tensor:
        """The users (…, w) of whom these are the sums."""
        mean, spread = torch.zeros_like(pools.known), torch.ones_like(pools.known)
        if self.per_user:
            mean = pools.values / (pools.known + PRIOR)
            apart = pools.squares - 2 * mean * pools.values + pools.known * mean * mean
            spread = ((apart.clamp(min=0) + PRIOR) / (pools.known + PRIOR)).sqrt()
        felt = (pools.valued - mean[..., None] * pools.felt) / spread[..., None]
        unknown = (pools.items - pools.known)[..., None] * self.unknown
        pooled = (pools.taken + felt + unknown) / (3 * pools.items.clamp(min=1).sqrt())[..., None]
        deep = self.outer(self.dropout(nn.functional.gelu(self.inner(pooled))))
        return self.dropout(self.straight(pooled) + deep)

    def expected(self, users: Tensor, tables: LikingTables, items: Tensor) -> Tensor:
        """Expected z (…,) of items int64 (…,) for users (…, w)."""
        level = tables.level[items] + self.user_level(users)[..., 0]
        return (users * tables.asked[items]).sum(-1) + level

    def expected_of_all(self, users: Tensor, tables: LikingTables) -> Tensor:
        """Expected z (N, n_items) of all items for users (N, w)."""
        return users @ tables.asked.T + tables.level + self.user_level(users)


def share_below(z: Tensor) -> Tensor:
    """Phi(z): the liking in (0, 1) of an expected z."""
    return 0.5 * (1 + torch.erf(z / math.sqrt(2)))
