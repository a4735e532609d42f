"""``Members``: K ways to answer by one reading, which tell how sure an LE is of what it answers.

Reading is shared, answering is each member's own. One pass of the language model gives its output
``h`` at the shown item, the state ``s`` before it and, where feedback is read, the user ``u`` of
the liking head; a member k makes its own answer of them, from a table of its own::

    item         v_j^k = norm((I + B^k) v_j + q_j^k)
    raw reward   r^k   = w^k' h + c^k' v_a^k + b^k cos(s, v_a^k) + d^k
    draws        p^k   = sigmoid((r^k - mean^k) / sd^k)
    liking       z^k   = u . ((I + M^k) q_a + o_a^k) + c_a + e_a^k + u' f^k + g^k,   Phi(z^k)

where v, q and c are the LE's own. So a step costs two dot products a member beside the token that
is read for all. Members learn from bootstrapped users (Osband et al. 2016, arXiv 1602.04621), and
B, M, and the items' own q, o begin at random: where the users say nothing, what a member began
with stays, and members differ (randomised priors, Osband et al. 2018, arXiv 1806.03335).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from llmrec_env.language.heads import Heads, followed
from llmrec_env.language.liking import LikingTables


class RewardMembers(nn.Module):
    """K reward heads.

    Args:
        count: K.
        n_items: items with a vector of their own; 0 where none has.
        state_size: D.
        hidden_size: H.
        prior: length of an item's random vector at first, beside the LE's own of length 1.
    """

    reward_mean: Tensor
    reward_sd: Tensor

    def __init__(
        self, count: int, n_items: int, state_size: int, hidden_size: int, prior: float
    ) -> None:
        super().__init__()
        scale = prior / math.sqrt(state_size)
        self.item_map = nn.Parameter(torch.randn(count, state_size, state_size) * scale)
        self.own = nn.Parameter(torch.randn(n_items, count, state_size) * scale)
        self.score = nn.Parameter(torch.zeros(count, hidden_size))
        self.item_score = nn.Parameter(torch.zeros(count, state_size))
        self.cosine_weight = nn.Parameter(torch.ones(count))
        self.level = nn.Parameter(torch.zeros(count))
        self.register_buffer("reward_mean", torch.zeros(count))
        self.register_buffer("reward_sd", torch.ones(count))

    def vectors(self, vectors: Tensor, items: Tensor | None = None) -> Tensor:
        """Unit item vectors (M, K, D) from the LE's own (M, D).

        Args:
            vectors: of some items.
            items: int64 (M,), their numbers in the catalogue; None where they are all of it.
        """
        mapped = torch.einsum("nd,ked->nke", vectors, self.item_map) + vectors[:, None]
        if len(self.own):
            mapped = mapped + (self.own if items is None else self.own[items])
        return nn.functional.normalize(mapped, dim=-1)

    def raw(self, hidden: Tensor, states: Tensor, vectors: Tensor) -> Tensor:
        """Raw rewards (…, K).

        Args:
            hidden: (…, H), LM outputs at the items, scaled.
            states: (…, D), before them.
            vectors: (…, K, D), the items' rows of :meth:`vectors`.
        """
        cosine = (vectors @ states[..., None])[..., 0]
        own = (vectors * self.item_score).sum(-1)
        return hidden @ self.score.T + own + self.cosine_weight * cosine + self.level

    def normalised(self, raw: Tensor) -> Tensor:
        """How much items draw each member, (…, K) in (0, 1), from raw rewards (…, K)."""
        return torch.sigmoid((raw - self.reward_mean) / self.reward_sd)


class LikingMembers(nn.Module):
    """K liking heads.

    Args:
        count: K.
        n_items: items with numbers of their own; 0 where none has.
        width: of a user of :class:`LikingHead`, w.
        prior: of an item's random numbers at first, as a share of a usual item's.
    """

    def __init__(self, count: int, n_items: int, width: int, prior: float) -> None:
        super().__init__()
        self.item_map = nn.Parameter(torch.randn(count, width, width) * prior / math.sqrt(width))
        self.own = nn.Parameter(torch.randn(n_items, count, width) * prior * 0.1)
        self.own_level = nn.Parameter(torch.zeros(n_items, count))
        self.user_level = nn.Parameter(torch.zeros(count, width))
        self.level = nn.Parameter(torch.zeros(count))

    def tables(self, tables: LikingTables) -> tuple[Tensor, Tensor]:
        """Who likes each item, (n_items, K, w), and how it is liked by all, (n_items, K)."""
        asked = torch.einsum("nw,kvw->nkv", tables.asked, self.item_map) + tables.asked[:, None]
        level = tables.level[:, None] + self.level
        if not len(self.own):
            return asked, level
        return asked + self.own, level + self.own_level

    def expected(self, users: Tensor, asked: Tensor, level: Tensor, user_level: Tensor) -> Tensor:
        """Expected z (…, K) of items for users (…, w).

        Args:
            users: as the LE's liking head sees them.
            asked: (…, K, w), the items' rows of :meth:`tables`.
            level: (…, K), the same.
            user_level: (…,), what the LE's liking head says of the users alone.
        """
        told = (asked @ users[..., None])[..., 0] + level
        return told + users @ self.user_level.T + user_level[..., None]


class Members(nn.Module):
    """K members of an LE.

    Args:
        count: K.
        n_items: items of the catalogue that have numbers of their own; 0 where none has.
        heads: of the LE, whose shapes they share and by which they begin.
        hidden_size: H, of the language model.
        prior: how far apart members begin, see :class:`RewardMembers`.
    """

    def __init__(
        self, count: int, n_items: int, heads: Heads, hidden_size: int, prior: float = 0.0
    ) -> None:
        super().__init__()
        self.count = count
        size = heads.item_map.weight.shape[0]
        self.reward = RewardMembers(count, n_items, size, hidden_size, prior)
        self.liking: LikingMembers | None = None
        if heads.liking is not None:
            self.liking = LikingMembers(count, n_items, heads.liking.user_size, prior)
        with torch.no_grad():
            self.reward.cosine_weight.mul_(heads.cosine_weight)
        self.requires_grad_(False)

    def keep_items(self, kept: int, more: int) -> None:
        """As :meth:`Heads.keep_items`: others follow the first items, known by their texts."""
        for part in (self.reward, self.liking):
            for name, own in [] if part is None else list(part.named_parameters()):
                if name.startswith("own") and len(own):
                    setattr(part, name, followed(own, kept, more))
