"""The interface of a language model backend: embedded tokens in, hidden states out.

A backend knows nothing of items, states or rewards. There are three: :mod:`transformers_backend`,
for any causal LM of transformers, which learns; :mod:`qwen3`, for the package's own small LMs,
which only answers, in a fraction of the time and without importing transformers; and :mod:`null`,
the control without a language model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn


class LMBackend(nn.Module, ABC):
    """A causal LM without its head over words.

    Attributes:
        hidden_size: H, the width of tokens and outputs.
        n_layers: layers that keep keys and values.
        max_positions: positions that the LM has at most; None where there is no limit.
    """

    hidden_size: int
    n_layers: int
    max_positions: int | None

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """The dtype in which it computes."""

    @property
    def can_learn(self) -> bool:
        """Whether it has adapters that learn; if not, it only answers."""
        return False

    def adapt(
        self,
        rank: int,
        alpha: int,
        dropout: float,
        modules: Collection[str] = (),
        last: int | None = None,
    ) -> None:
        """Add adapters that learn, in all layers or in the last ones.

        A backend that only answers has them in its weights already.
        """

    def recompute(self, again: bool) -> None:
        """Whether a learning pass keeps no outputs but computes them again for the gradient."""

    def new_cache(self, rows: int, slots: int) -> RowCache:
        """A cache for so many rows, laid out as this backend reads them fastest."""
        return RowCache(self.n_layers, rows, slots)

    @abstractmethod
    def forward(
        self,
        embedded: Tensor,
        allowed: Tensor,
        positions: Tensor,
        key_positions: Tensor | None = None,
        cache: RowCache | None = None,
    ) -> Tensor:
        """One pass over tokens.

        Args:
            embedded: (B, T, H), in :attr:`dtype`.
            allowed: bool (B, T, S), which of the S keys each token may read.
            positions: int64 (B, T), of the tokens.
            key_positions: int64 (B, S), of the keys; ``positions`` where None.
            cache: where keys and values go and come from, if anywhere.

        Returns:
            float32 (B, T, H), the LM's outputs.
        """


class RowCache:
    """Keys and values of N rows of their own lengths, written where :meth:`aim` says.

    Args:
        n_layers: layers of the LM.
        rows: N.
        slots: places for tokens in each row.
        across: whether the slots of a key's numbers lie side by side in memory, not the numbers.

    Attributes:
        layers: one a layer of the LM.
        slots: places for tokens in each row.
        wrapped: the same in the form that a library's own code takes, kept by the backend.
    """

    def __init__(self, n_layers: int, rows: int, slots: int, across: bool = False) -> None:
        self.layers = [RowLayer(rows, slots, across) for _ in range(n_layers)]
        self.slots = slots
        self.wrapped: Any = None

    @property
    def row_bytes(self) -> int:
        """Bytes that a row takes, once keys and values have been written."""
        tensors = [t for layer in self.layers for t in (layer.keys, layer.values) if t is not None]
        return sum(t[0].nbytes for t in tensors)

    def copy(self, rows: Tensor, other: RowCache, other_rows: Tensor) -> None:
        """Write rows int64 (M,) of another cache, which has been written, into those of this."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            mine.copy(rows, theirs, other_rows)

    def move(self, rows: Tensor, places: Tensor, to: Tensor) -> None:
        """Write one token of each of rows int64 (M,) to another of its slots, int64 (M,) each."""
        for layer in self.layers:
            layer.move(rows, places, to)

    def aim(self, rows: Tensor, places: Tensor | None = None, visible: int = 0) -> None:
        """Where the next pass writes.

        Args:
            rows: int64 (M,), the rows that it reads.
            places: int64 (M, T), the slots of the few tokens of each row; the rows are then the
                first M, and their tokens see the first ``visible`` slots. None where rows are read
                from slot 0 on.
            visible: see ``places``.
        """
        for layer in self.layers:
            layer.rows, layer.places, layer.visible = rows, places, visible


class RowLayer:
    """One layer's keys and values, (rows, heads, slots, head size), allocated at the first use."""

    def __init__(self, rows: int, slots: int, across: bool = False) -> None:
        self.shape = (rows, slots)
        self.across = across
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.rows: Tensor | None = None
        self.places: Tensor | None = None
        self.visible = 0

    def update(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write keys and values (B, heads, T, size); those that the tokens may see."""
        mine, my_values = self._made(keys, values)
        assert self.rows is not None
        rows, width = self.rows, keys.shape[2]
        if self.places is None:
            mine[rows, :, :width] = keys
            my_values[rows, :, :width] = values
            return keys, values
        for token, places in enumerate(self.places.unbind(1)):
            mine[rows, :, places] = keys[:, :, token]
            my_values[rows, :, places] = values[:, :, token]
        return mine[: len(rows), :, : self.visible], my_values[: len(rows), :, : self.visible]

    def move(self, rows: Tensor, places: Tensor, to: Tensor) -> None:
        """See :meth:`RowCache.move`."""
        for kept in (self.keys, self.values):
            if kept is not None:
                kept[rows, :, to] = kept[rows, :, places]

    def copy(self, rows: Tensor, other: RowLayer, other_rows: Tensor) -> None:
        """See :meth:`RowCache.copy`."""
        if other.keys is not None and other.values is not None:
            keys, values = self._made(other.keys, other.values)
            keys[rows] = other.keys[other_rows]
            values[rows] = other.values[other_rows]

    def _made(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The tensors, allocated at the first use like what is to be written."""
        if self.keys is None or self.values is None:
            rows, slots = self.shape
            heads, size = keys.shape[1], keys.shape[3]
            if self.across:
                self.keys = keys.new_zeros(rows, heads, size, slots).transpose(2, 3)
            else:
                self.keys = keys.new_zeros(rows, heads, slots, size)
            self.values = values.new_zeros(rows, heads, slots, values.shape[3])
        return self.keys, self.values
