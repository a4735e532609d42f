"""``TextSpace``: a space of texts, also through the shared memory of ``AsyncVectorEnv``.

Gymnasium's own ``Text`` orders a set of characters as each process hashes it, so equal seeds would
draw different texts, and what it reads from shared memory is never read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils.shared_memory import (
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)

END = -1
"""Stands after a text that is shorter than the longest; no character has this number."""


class TextSpace(spaces.Text):
    """Texts of a set of characters, in an order that is the same in every process."""

    def __init__(
        self, max_length: int, *, min_length: int = 1, charset: Iterable[str], seed: Any = None
    ) -> None:
        ordered = "".join(sorted(set(charset)))
        super().__init__(max_length, min_length=min_length, charset=ordered, seed=seed)


class SharedTexts(Sequence[str]):
    """The texts that N workers wrote last, as a tuple of them would be; a copy is a tuple."""

    def __init__(self, memory: Any, num_envs: int, max_length: int) -> None:
        numbers = np.frombuffer(memory.get_obj(), dtype=np.int32)
        self._rows = numbers.reshape(num_envs, max_length)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self)[index]
        row = self._rows[index]
        ends = np.flatnonzero(row == END)
        return "".join(map(chr, row[: ends[0]] if len(ends) else row))

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)


@create_shared_memory.register(TextSpace)
def _create(space: TextSpace, n: int = 1, ctx: Any = None) -> Any:
    memory = ctx.Array(np.dtype(np.int32).char, n * space.max_length)
    np.frombuffer(memory.get_obj(), dtype=np.int32)[:] = END
    return memory


@read_from_shared_memory.register(TextSpace)
def _read(space: TextSpace, shared_memory: Any, n: int = 1) -> SharedTexts:
    return SharedTexts(shared_memory, n, space.max_length)


@write_to_shared_memory.register(TextSpace)
def _write(space: TextSpace, index: int, value: str, shared_memory: Any) -> None:
    numbers = np.frombuffer(shared_memory.get_obj(), dtype=np.int32)
    row = numbers[index * space.max_length : (index + 1) * space.max_length]
    row[: len(value)] = [ord(character) for character in value]
    row[len(value) : len(value) + 1] = END
