"""GRU4Rec: recurrent networks over sessions (Hidasi et al., arXiv 1511.06939)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from agents.backbones.base import Dropout, Reading, SequenceEncoder, initialise

if TYPE_CHECKING:
    from agents.config import RecommenderConfig


class GRU4Rec(SequenceEncoder):
    """Stacked gated recurrent units over item embeddings."""

    name = "GRU4Rec"

    def __init__(self, n_items: int, dim: int = 64, layers: int = 1, dropout: float = 0.5) -> None:
        super().__init__(n_items, dim)
        self.dropout = Dropout(dropout)
        # One module a layer, because extend() steps from the hidden state of every layer.
        self.layers = nn.ModuleList(nn.GRU(dim, dim, batch_first=True) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.apply(initialise)

    @classmethod
    def from_config(cls, n_items: int, config: RecommenderConfig) -> GRU4Rec:
        """An encoder with the sizes that ``config`` asks for."""
        return cls(n_items, config.dim, config.layers or 1, config.dropout)

    def read(self, items: Tensor) -> Reading:
        """Read histories, int64 (B, T); the memory is every layer's hidden states (B, T, dim)."""
        x = self._embed(items)
        memory = []
        for layer in self.layers:
            x = layer(x)[0]
            memory.append(x)
        return Reading(self._state(x), memory)

    def extend(self, reading: Reading, appended: Tensor) -> Tensor:
        """States after every prefix with one more item: one recurrent step from each state."""
        batch, length = appended.shape
        x = self._embed(appended).view(batch * length, 1, self.dim)
        for layer, hidden in zip(self.layers, reading.memory, strict=True):
            x = layer(x, hidden.reshape(1, batch * length, self.dim))[0]
        return self._state(x.view(batch, length, self.dim))

    def _embed(self, items: Tensor) -> Tensor:
        return self.dropout(self.item_embedding(items) * self.dim**0.5)

    def _state(self, hidden: Tensor) -> Tensor:
        return self.norm(self.dropout(hidden))
