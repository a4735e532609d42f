"""SASRec: self-attentive sequential recommendation (Kang and McAuley, arXiv 1808.09781)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.backbones.base import Dropout, SequenceEncoder, initialise

if TYPE_CHECKING:
    from agents.config import RecommenderConfig


class SASRec(SequenceEncoder):
    """A causal transformer over item and position embeddings, normalised before each part.

    Positions count from the start of the window; those past ``max_length`` share the last one, so
    an item can be tried after a full window.
    """

    def __init__(
        self,
        n_items: int,
        dim: int = 64,
        layers: int = 2,
        heads: int = 2,
        dropout: float = 0.5,
        max_length: int = 50,
    ) -> None:
        super().__init__(n_items, dim)
        self.position_embedding = nn.Embedding(max_length, dim)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.apply(initialise)

    @classmethod
    def from_config(cls, n_items: int, config: RecommenderConfig) -> SASRec:
        """An encoder with the sizes that ``config`` asks for."""
        sizes = (config.dim, config.layers or 2, config.heads, config.dropout, config.max_length)
        return cls(n_items, *sizes)

    def forward(self, items: Tensor) -> Tensor:
        """States after every item: int64 (B, T) in, float32 (B, T, dim) out."""
        steps = torch.arange(items.shape[1], device=items.device)
        return self._encode(items, steps, steps[:, None] >= steps)

    def extend(self, items: Tensor, appended: Tensor) -> Tensor:
        """States after every prefix with one more item, in one pass over 2T tokens.

        The appended items follow the sequence as tokens of their own. Token ``t`` of them sees the
        first ``t + 1`` items and itself, and no item sees any of them::

                        items 0 1 2 | appended 0 1 2
            item 1            x x . |          . . .
            appended 1        x x . |          . x .
        """
        n = items.shape[1]
        steps = torch.arange(n, device=items.device)
        causal = steps[:, None] >= steps
        itself = torch.eye(n, dtype=torch.bool, device=items.device)
        visible = torch.cat(
            [
                torch.cat([causal, torch.zeros_like(causal)], dim=1),
                torch.cat([causal, itself], dim=1),
            ]
        )
        positions = torch.cat([steps, steps + 1])
        return self._encode(torch.cat([items, appended], dim=1), positions, visible)[:, n:]

    def _encode(self, items: Tensor, positions: Tensor, visible: Tensor) -> Tensor:
        positions = positions.clamp(max=self.position_embedding.num_embeddings - 1)
        x = self.item_embedding(items) * self.dim**0.5 + self.position_embedding(positions)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, visible)
        return self.norm(x)


class Block(nn.Module):
    """Self-attention, then a position-wise network, each added to its input."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.merge = nn.Linear(dim, dim)
        self.network_norm = nn.LayerNorm(dim)
        self.network = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """One layer over float32 (B, T, dim); ``visible`` bool (T, T): who sees whom."""
        x = x + self.dropout(self._attend(self.attention_norm(x), visible))
        return x + self.dropout(self.network(self.network_norm(x)))

    def _attend(self, x: Tensor, visible: Tensor) -> Tensor:
        b, t, d = x.shape
        packed = self.query_key_value(x).view(b, t, 3, self.heads, d // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return self.merge(mixed.transpose(1, 2).reshape(b, t, d))
