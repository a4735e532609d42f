"""GRU4Rec, a recurrent sequence encoder (Hidasi et al., arXiv 1511.06939)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from agents.backbones.base import BackboneConfig, Dropout, Reading, SequenceEncoder, initialise
from agents.settings import check_positive


@dataclass(frozen=True, kw_only=True)
class GRU4RecConfig(BackboneConfig):
    """GRU4Rec (Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks",
    arXiv 1511.06939).

    ``h_t = GRU(e(i_t), h_{t-1})`` over item embeddings e, ``layers`` times; ``s_t = norm(h_t)``.

    Raises:
        SettingError: a value is out of range.
    """

    name: ClassVar[str] = "gru4rec"
    title: ClassVar[str] = "GRU4Rec"

    layers: int | None = None
    """Stacked layers; None: 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "layers")

    def create(self, n_items: int) -> GRU4Rec:
        """An encoder of these sizes."""
        return GRU4Rec(n_items, self.dim, self.layers or 1, self.dropout)


class GRU4Rec(SequenceEncoder):
    """Stacked gated recurrent units over item embeddings."""

    def __init__(self, n_items: int, dim: int = 64, layers: int = 1, dropout: float = 0.5) -> None:
        super().__init__(n_items, dim)
        self.dropout = Dropout(dropout)
        # One module a layer, because extend() steps from the hidden state of every layer.
        self.layers = nn.ModuleList(nn.GRU(dim, dim, batch_first=True) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.apply(initialise)

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
