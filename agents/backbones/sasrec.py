"""SASRec, a self-attentive sequence encoder (Kang and McAuley, arXiv 1808.09781)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.backbones.base import BackboneConfig, Dropout, Reading, SequenceEncoder, initialise
from agents.settings import check_positive
from llmrec_env.common.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class SASRecConfig(BackboneConfig):
    """SASRec (Kang and McAuley, "Self-Attentive Sequential Recommendation", arXiv 1808.09781).

    ``x <- x + attention(norm(x)); x <- x + W_2 gelu(W_1 norm(x))`` block by block, over item and
    position embeddings, each item attending to itself and those before it; ``s = norm(x)``.

    Raises:
        SettingError: a value is out of range, or ``dim`` cannot be split over ``heads``.
    """

    name: ClassVar[str] = "sasrec"
    title: ClassVar[str] = "SASRec"

    layers: int | None = None
    """Transformer blocks; None: 2."""
    heads: int = 2
    """Attention heads of each block."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "layers", "heads")
        if self.dim % self.heads:
            raise SettingError(f"dim={self.dim} cannot be split over heads={self.heads}")

    def create(self, n_items: int) -> SASRec:
        """An encoder of these sizes."""
        sizes = (self.dim, self.layers or 2, self.heads, self.dropout, self.max_length)
        return SASRec(n_items, *sizes)


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

    def read(self, items: Tensor) -> Reading:
        """Read histories, int64 (B, T); the memory is every block's keys and values."""
        steps = torch.arange(items.shape[1], device=items.device)
        x = self._embed(items, steps)
        memory = []
        for block in self.blocks:
            x, seen = block(x)
            memory.append(seen)
        return Reading(self.norm(x), memory)

    def extend(self, reading: Reading, appended: Tensor) -> Tensor:
        """States after every prefix with one more item, without reading the prefixes again.

        The appended items are tokens of their own. Token ``t`` of them sees the first ``t + 1``
        items and itself, and no item sees any of them::

                        items 0 1 2 | appended 0 1 2
            appended 1        x x . |          . x .
        """
        steps = torch.arange(appended.shape[1], device=appended.device)
        itself = torch.eye(len(steps), dtype=torch.bool, device=appended.device)
        visible = torch.cat([steps[:, None] >= steps, itself], dim=1)
        x = self._embed(appended, steps + 1)
        for block, seen in zip(self.blocks, reading.memory, strict=True):
            x, _ = block(x, visible, seen)
        return self.norm(x)

    def _embed(self, items: Tensor, positions: Tensor) -> Tensor:
        positions = positions.clamp(max=self.position_embedding.num_embeddings - 1)
        x = self.item_embedding(items) * self.dim**0.5 + self.position_embedding(positions)
        return self.dropout(x)


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

    def forward(
        self, x: Tensor, visible: Tensor | None = None, before: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One layer over tokens float32 (B, T, dim).

        Args:
            x: the tokens.
            visible: bool (T, S), which of the S seen tokens each sees; None: those up to itself.
            before: keys and values of tokens that were read before them, as returned.

        Returns:
            The tokens one layer up, and the keys and values float32 (B, S, 2, heads, dim / heads)
            of the tokens before and these.
        """
        attended, seen = self._attend(self.attention_norm(x), visible, before)
        x = x + self.dropout(attended)
        return x + self.dropout(self.network(self.network_norm(x))), seen

    def _attend(
        self, x: Tensor, visible: Tensor | None, before: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        b, t, d = x.shape
        packed = self.query_key_value(x).view(b, t, 3, self.heads, d // self.heads)
        query, seen = packed[:, :, 0].transpose(1, 2), packed[:, :, 1:]
        if before is not None:
            seen = torch.cat([before, seen], dim=1)
        key, value = seen.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=visible, is_causal=visible is None
        )
        return self.merge(mixed.transpose(1, 2).reshape(b, t, d)), seen
