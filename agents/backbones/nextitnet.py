"""NextItNet, a dilated convolutional sequence encoder (Yuan et al., arXiv 1808.05163)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.backbones.base import (
    BackboneConfig,
    Dropout,
    Reading,
    SequenceEncoder,
    delayed,
    initialise,
)
from agents.settings import check_positive
from llmrec_env.common.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class NextItNetConfig(BackboneConfig):
    """NextItNet (Yuan et al., "A Simple Convolutional Generative Network for Next Item
    Recommendation", arXiv 1808.05163).

    ``x <- x + relu(norm(C_2d(relu(norm(C_d(x))))))`` block by block, where ``C_d`` is a causal
    convolution with dilation d; d grows fourfold from block to block, until ``max_length`` items
    are seen.

    Raises:
        SettingError: a value is out of range.
    """

    name: ClassVar[str] = "nextitnet"
    title: ClassVar[str] = "NextItNet"

    layers: int | None = None
    """Blocks; None: enough to see ``max_length`` items."""
    kernel_size: int = 3
    """Items that a convolution joins."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "layers")
        if self.kernel_size < 2:
            raise SettingError(f"kernel_size must be at least 2, got {self.kernel_size}")

    def create(self, n_items: int) -> NextItNet:
        """An encoder of these sizes, which sees ``max_length`` items."""
        dilations = growing_dilations(self.max_length, self.kernel_size, self.layers)
        return NextItNet(n_items, self.dim, dilations, self.kernel_size, self.dropout)


class NextItNet(SequenceEncoder):
    """Residual blocks of dilated causal convolutions over item embeddings.

    Args:
        n_items: size of the catalogue.
        dim: width of embeddings and states.
        dilations: of each block's first convolution; its second reaches twice as far.
        kernel_size: items that a convolution joins.
        dropout: share of embeddings and of the blocks' outputs dropped in training.
    """

    def __init__(
        self,
        n_items: int,
        dim: int = 64,
        dilations: Sequence[int] = (1, 4, 16),
        kernel_size: int = 3,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(n_items, dim)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, kernel_size, d, dropout) for d in dilations)
        self.norm = nn.LayerNorm(dim)
        self.apply(initialise)

    def read(self, items: Tensor) -> Reading:
        """Read histories, int64 (B, T); the memory is every convolution's input (B, T, dim)."""
        x = self._embed(items)
        memory: list[Tensor] = []
        for block in self.blocks:
            x, inputs = block(x)
            memory.extend(inputs)
        return Reading(self.norm(x), memory)

    def extend(self, reading: Reading, appended: Tensor) -> Tensor:
        """States after every prefix with one more item: one place more of every convolution."""
        x = self._embed(appended)
        pairs = zip(reading.memory[::2], reading.memory[1::2], strict=True)
        for block, before in zip(self.blocks, pairs, strict=True):
            x, _ = block(x, before)
        return self.norm(x)

    def _embed(self, items: Tensor) -> Tensor:
        return self.dropout(self.item_embedding(items) * self.dim**0.5)


class Block(nn.Module):
    """Two convolutions, each normalised and rectified, added to their input."""

    def __init__(self, dim: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.first = CausalConvolution(dim, kernel_size, dilation)
        self.first_norm = nn.LayerNorm(dim)
        self.second = CausalConvolution(dim, kernel_size, 2 * dilation)
        self.second_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, before: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One block over places float32 (B, T, dim).

        Args:
            x: the places, one after the other; or, with ``before``, each its own continuation.
            before: the inputs of both convolutions up to the place that each of ``x`` follows.

        Returns:
            The places one block up, and the inputs of both convolutions.
        """
        past = before or (None, None)
        inner = F.relu(self.first_norm(self.first(x, past[0])))
        outer = F.relu(self.second_norm(self.second(inner, past[1])))
        return x + self.dropout(outer), (x, inner)


class CausalConvolution(nn.Module):
    """Joins each place with those ``dilation``, ``2 dilation``, … before it; zeros before all."""

    def __init__(self, dim: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.offsets = [dilation * i for i in range(1, kernel_size)]
        self.linear = nn.Linear(kernel_size * dim, dim)

    def forward(self, x: Tensor, before: Tensor | None = None) -> Tensor:
        """As in :meth:`Block.forward`: float32 (B, T, dim) in and out."""
        if before is None:
            past = [delayed(x, offset) for offset in self.offsets]
        else:
            past = [delayed(before, offset - 1) for offset in self.offsets]
        return self.linear(torch.cat([x, *past], dim=-1))


def growing_dilations(reach: int, kernel_size: int, blocks: int | None = None) -> list[int]:
    """Dilations of blocks that grow fourfold until ``reach`` items are seen, then begin anew.

    Args:
        reach: items that the last state is to see.
        kernel_size: of the convolutions; at least 2.
        blocks: how many; None: as many as that takes.
    """
    growing, seen = [1], 1 + 3 * (kernel_size - 1)
    while seen < reach:
        growing.append(4 * growing[-1])
        seen += 3 * (kernel_size - 1) * growing[-1]
    return list(islice(cycle(growing), blocks or len(growing)))
