"""``LikingHead``: how much a user would like an item, from what they took and how they liked it.

Taking and liking are two questions. What a log's users took mixes taste with what they came across;
how they rated it is taste. The head reads a history as a set of pairs (item, feedback)::

    m_t, s_t   the user's own mean and spread of feedback until now; see :mod:`data.feedback`
    z_i        (v_i - m_t) / s_t where feedback is known, else 0 and a vector U for "unknown"
    p_t        sum_i ( a_i + z_i b_i + U [unknown] ) / (3 sqrt(n))
    r_t        R p_t + MLP(p_t)
    u_t        (r_t, w_t)        w_t: what ratings say in closed form, :mod:`language.posterior`
    liking     Phi( u_t . q_j + c_j + d . r_t )                       Phi: normal distribution

where a, b, q, c of an item are linear in what its text says plus, with item ids, numbers of the
item's own, which are zero for an item that nobody rated; the last numbers of b and q are its axes v
among raters. All sums grow by one term when an item is taken, so an answer costs a small linear
system and a dot product beside the language model's token.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from llmrec_env.data.feedback import PRIOR
from llmrec_env.language.posterior import AXES, Posterior


class LikingTables(NamedTuple):
    """All items as the liking head sees them.

    Attributes:
        taken: float32 (n_items, w), a: what taking the item says of a user.
        felt: float32 (n_items, w + r), b: what liking it more says.
        asked: float32 (n_items, w + r), q: who likes it.
        level: float32 (n_items,), c: how it is liked by all.
    """

    taken: Tensor
    felt: Tensor
    asked: Tensor
    level: Tensor


class Pools(NamedTuple):
    """Sums over the items of a history, float32 (…, size); they grow with each item.

    Attributes:
        items: how many.
        known: items whose feedback is known.
        values: sum of v over these.
        squares: sum of v squared.
        taken: sum of a.
        felt: sum of b over items whose feedback is known.
        valued: sum of v b.
        expected: what the posterior expected of the feedback, (…, r).
        precision: how surely it is known, (…, r, r).
    """

    items: Tensor
    known: Tensor
    values: Tensor
    squares: Tensor
    taken: Tensor
    felt: Tensor
    valued: Tensor
    expected: Tensor
    precision: Tensor

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
        self.posterior = Posterior(n_items, AXES if ids else 0)
        nn.init.normal_(self.texts.weight, std=0.1)
        with torch.no_grad():
            self.own[:, width : 2 * width] *= 3
            self.own[:, -1] = 0.0
            self.texts.weight[-1] = 0.0

    @torch.no_grad()
    def begin(self, own: float, dropout: float, level: Tensor, axes: Tensor) -> None:
        """Where learning begins.

        Args:
            own: factor on the random numbers of an item's own.
            dropout: of the head.
            level: float32 (n_items,), how items are rated by all.
            axes: float32 (n_items, r), of the items among raters.
        """
        self.dropout.p = dropout
        if len(self.own):
            self.own.mul_(own)
            self.own[:, -1] = level
        self.posterior.axes.copy_(axes)

    @torch.no_grad()
    def forget(self, items: Tensor) -> None:
        """Know these items, bool (n_items,), by their texts alone."""
        if len(self.own):
            self.own[items] = 0.0
        self.posterior.axes[items] = 0.0

    @property
    def user_size(self) -> int:
        """Length of a user, w + r."""
        return self.width + self.posterior.size

    @property
    def pool_sizes(self) -> list[tuple[int, ...]]:
        """The sizes of what :class:`Pools` holds of one user."""
        w, r, both = self.width, self.posterior.size, self.user_size
        return [(), (), (), (), (w,), (both,), (both,), (r,), (r, r)]

    def tables(
        self, features: Tensor, kept: Tensor | None = None, axes: Tensor | None = None
    ) -> LikingTables:
        """What the head knows of every item.

        Args:
            features: float32 (n_items, D), of their texts.
            kept: float32 (n_items, 1), 0 for items that are to be known by their text alone.
            axes: float32 (n_items, r), of the items among raters; None: those of all.
        """
        known = self.texts(features)
        if len(self.own):
            known = known + (self.own if kept is None else self.own * kept)
        w = self.width
        taken, felt, asked = known[:, :-1].split(w, dim=1)
        tables = LikingTables(taken, felt, asked, known[:, -1])
        axes = self.posterior.axes if axes is None else axes
        return self.with_axes(tables, axes if kept is None else axes * kept)

    def with_axes(self, tables: LikingTables, axes: Tensor) -> LikingTables:
        """The same items with other axes, float32 (n_items, r), among raters."""
        felt, asked = (torch.cat([own[:, : self.width], axes], dim=1) for own in tables[1:3])
        return tables._replace(felt=felt, asked=asked)

    def pools(self, tables: LikingTables, items: Tensor, values: Tensor) -> Pools:
        """Sums over the items up to each place of histories.

        Args:
            tables: of :meth:`tables`.
            items: int64 (B, T).
            values: float32 (B, T), v; NaN where feedback is unknown.

        Returns:
            Sums (B, T, size).
        """
        return Pools(*(part.cumsum(1) for part in self.terms(tables, items, values)))

    def terms(self, tables: LikingTables, items: Tensor, values: Tensor) -> Pools:
        """What each item adds to the sums; shapes as given, (…,)."""
        *sums, weighted, axes = self._each(tables, items, values)
        return Pools._make([*sums, weighted[..., None] * axes[..., None, :]])

    def summed(self, tables: LikingTables, items: Tensor, values: Tensor, read: Tensor) -> Pools:
        """The sums over whole rows of items (B, T), those of them that bool ``read`` (B, T) names.

        As :meth:`pools` at the last place, without a matrix for each item on the way.
        """
        *sums, weighted, axes = self._each(tables, items, values)
        there = read.float()
        found = [torch.einsum("bt,bt...->b...", there, part) for part in sums]
        return Pools._make([*found, (weighted * there[..., None]).mT @ axes])

    def _each(self, tables: LikingTables, items: Tensor, values: Tensor) -> list[Tensor]:
        """What :class:`Pools` has of each item, the precision last and as two factors of it."""
        known = (~values.isnan()).float()
        v = values.nan_to_num(0.0)
        felt, taken = tables.felt[items], tables.taken[items]
        axes = felt[..., self.width :]
        weighted, expected = self.posterior.terms(axes, tables.level[items], known)
        felt = felt * known[..., None]
        one = torch.ones_like(v)
        return [one, known, v, v * v, taken, felt, felt * v[..., None], expected, weighted, axes]

    def users(self, pools: Pools) -> Tensor:
        """The users (…, w + r) of whom these are the sums."""
        mean, spread = torch.zeros_like(pools.known), torch.ones_like(pools.known)
        if self.per_user:
            mean = pools.values / (pools.known + PRIOR)
            apart = pools.squares - 2 * mean * pools.values + pools.known * mean * mean
            spread = ((apart.clamp(min=0) + PRIOR) / (pools.known + PRIOR)).sqrt()
        felt = (pools.valued - mean[..., None] * pools.felt) / spread[..., None]
        felt, rated = felt.split([self.width, self.posterior.size], dim=-1)
        unknown = (pools.items - pools.known)[..., None] * self.unknown
        pooled = (pools.taken + felt + unknown) / (3 * pools.items.clamp(min=1).sqrt())[..., None]
        deep = self.outer(self.dropout(nn.functional.gelu(self.inner(pooled))))
        told = self.dropout(self.straight(pooled) + deep)
        closed = self.posterior.users(pools.precision, rated, pools.expected)
        return torch.cat([told, closed], dim=-1)

    def expected(self, users: Tensor, tables: LikingTables, items: Tensor) -> Tensor:
        """Expected z (…,) of items int64 (…,) for users (…, w + r)."""
        return (users * tables.asked[items]).sum(-1) + tables.level[items] + self.alone(users)

    def alone(self, users: Tensor) -> Tensor:
        """What users (…, w + r) say of any item, (…,)."""
        level: Tensor = self.user_level(users[..., : self.width])
        return level[..., 0]

    def expected_of_all(self, users: Tensor, tables: LikingTables) -> Tensor:
        """Expected z (N, n_items) of all items for users (N, w + r)."""
        return users @ tables.asked.T + tables.level + self.alone(users)[..., None]


def share_below(z: Tensor) -> Tensor:
    """Phi(z): the liking in (0, 1) of an expected z."""
    return 0.5 * (1 + torch.erf(z / math.sqrt(2)))
