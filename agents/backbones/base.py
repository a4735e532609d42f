"""The interface of the encoders that turn a history into a state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from agents.config import RecommenderConfig


INITIAL_STD = 0.02
"""Standard deviation of initial embeddings and linear maps."""


class Reading(NamedTuple):
    """What an encoder made of histories.

    Attributes:
        states: float32 (B, T, dim), the state after every item.
        memory: what each layer needs in order to read on from every item, tensors (B, T, ...).
    """

    states: Tensor
    memory: list[Tensor]


class SequenceEncoder(nn.Module, ABC):
    """Reads items one after the other; the state after each sees that item and those before it.

    Sequences are padded on the right with ``n_items``: as no state sees what comes later, the
    states of real items do not depend on the padding, and those of the padding mean nothing.

    Attributes:
        n_items: size of the catalogue, and the padding index.
        dim: width of a state.
    """

    name: str
    """What tables call it."""

    def __init__(self, n_items: int, dim: int) -> None:
        super().__init__()
        self.n_items = n_items
        self.dim = dim
        self.item_embedding = nn.Embedding(n_items + 1, dim, padding_idx=n_items)

    @classmethod
    @abstractmethod
    def from_config(cls, n_items: int, config: RecommenderConfig) -> SequenceEncoder:
        """An encoder with the sizes that ``config`` asks for."""

    @torch.no_grad()
    def begin_with(self, table: Tensor) -> None:
        """Let the item embedding begin as ``table``, float32 (n_items, dim)."""
        self.item_embedding.weight[: self.n_items] = table

    def forward(self, items: Tensor) -> Tensor:
        """States after every item: int64 (B, T) in, float32 (B, T, dim) out."""
        return self.read(items).states

    @abstractmethod
    def read(self, items: Tensor) -> Reading:
        """Read histories, int64 (B, T)."""

    @abstractmethod
    def extend(self, reading: Reading, appended: Tensor) -> Tensor:
        """States after every prefix of a reading with one more item, float32 (B, T, dim).

        Place ``[b, t]`` holds the state after ``items[b, :t + 1]`` followed by ``appended[b, t]``.

        Args:
            reading: of items (B, T).
            appended: int64 (B, T), an item to try after each prefix.
        """


def delayed(x: Tensor, steps: int) -> Tensor:
    """What stood ``steps`` places earlier in ``x`` (B, T, d); zeros where nothing did."""
    length = x.shape[1]
    return F.pad(x[:, : max(0, length - steps)], (0, 0, min(steps, length), 0))


class Dropout(nn.Module):
    """Dropout that draws one random byte a value.

    On a CPU, torch's own spends longer on its Bernoulli draws than the layers around it on their
    products; this one takes a fifth of the time. The rate is rounded to a multiple of 1/256.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.threshold = min(255, round(rate * 256))

    def forward(self, x: Tensor) -> Tensor:
        """Zero values at the rate given and scale up the rest, in training only."""
        if not self.training or not self.threshold:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        draws = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()].view(x.shape)
        return x * (draws >= self.threshold) * (256 / (256 - self.threshold))


def initialise(module: nn.Module) -> None:
    """Small normal weights for embeddings and linear maps, zero biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        with torch.no_grad():
            module.weight[module.padding_idx].zero_()
