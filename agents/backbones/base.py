"""The interface of backbones: a config, and an encoder that turns histories into states.

A backbone of your own is one file: a dataclass of its settings, derived from
:class:`BackboneConfig`, whose :meth:`~BackboneConfig.create` makes a :class:`SequenceEncoder`::

    @register_backbone
    @dataclass(frozen=True, kw_only=True)
    class MeanConfig(BackboneConfig):
        name = "mean"
        decay: float = 0.9

        def create(self, n_items):
            return MeanOfItems(n_items, self.dim, self.decay)

    Recommender(RecommenderConfig.of("mean", decay=0.8))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.settings import Registry, check_positive, check_share
from llmrec_env.common.settings_types import check_types

INITIAL_STD = 0.02
"""Standard deviation of initial embeddings and linear maps."""


@dataclass(frozen=True, kw_only=True)
class BackboneConfig(ABC):
    """The settings of a sequence encoder; each backbone adds its own.

    Settings are numbers, strings, booleans or None, each with a default, so that a saved
    recommender reads back as it was.

    Raises:
        SettingError: a value is out of range.
    """

    name: ClassVar[str]
    """The keyword that chooses it, such as "sasrec"."""
    title: ClassVar[str] = ""
    """What tables call it; ``name`` where it is left out."""

    dim: int = 64
    """Width of item embeddings and encoder states."""
    dropout: float = 0.5
    """Share of activations dropped in training, in [0, 1)."""
    max_length: int = 50
    """Items of a history that the encoder reads, at most."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "dim", "max_length")
        check_share(self, "dropout", below_one=True)

    @abstractmethod
    def create(self, n_items: int) -> SequenceEncoder:
        """An encoder of these sizes for a catalogue of ``n_items``, with fresh weights."""


BACKBONES: Registry[BackboneConfig] = Registry("backbone", "agents.backbones.register_backbone")
"""The config class of each backbone, by name."""
B = TypeVar("B", bound=BackboneConfig)


def register_backbone(config: type[B]) -> type[B]:
    """Make a backbone's config class a value of ``backbone``; returns it, as a decorator does.

    Raises:
        SettingError: the name is missing or taken, or a field has no default.
    """
    return BACKBONES.add(config)


class Reading(NamedTuple):
    """The states of an encoder, and what it needs to read on.

    Attributes:
        states: float32 (B, T, dim), the state after every item.
        memory: what each layer needs to read on from every item, tensors (B, T, ...).
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

    def __init__(self, n_items: int, dim: int) -> None:
        super().__init__()
        self.n_items = n_items
        self.dim = dim
        self.item_embedding = nn.Embedding(n_items + 1, dim, padding_idx=n_items)

    @torch.no_grad()
    def begin_with(self, table: Tensor) -> None:
        """Set the item embedding to ``table``, float32 (n_items, dim)."""
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
    """``x`` (B, T, d) moved ``steps`` places later; zeros come first."""
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
