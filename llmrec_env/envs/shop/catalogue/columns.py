"""Flat arrays for texts and lists of texts, compact and memory-mapped from disk."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError

Arrays = dict[str, NDArray[Any]]
"""Flat arrays by name: what a column is made of, and a ``.npy`` file each on disk."""


class TextColumn:
    """Strings: their UTF-8 bytes one after the other, and where each begins.

    Args:
        data: uint8 (n_bytes,).
        starts: int64 (n + 1,).
    """

    def __init__(self, data: NDArray[np.uint8], starts: IntArray) -> None:
        self._data = memoryview(np.ascontiguousarray(data).data)
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, row: int) -> str:
        return str(self._data[self._starts[row] : self._starts[row + 1]], "utf-8")


class ListColumn:
    """Lists: which elements belong to a row. Args: ``starts``, int64 (n + 1,)."""

    def __init__(self, starts: IntArray) -> None:
        self._starts = starts

    def __getitem__(self, row: int) -> range:
        return range(int(self._starts[row]), int(self._starts[row + 1]))


class TextWriter:
    """Gathers the arrays of a :class:`TextColumn`."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._starts = array("q", [0])

    def add(self, text: str) -> None:
        """Append one string."""
        # a lone surrogate, which JSON may hold, is no text: it becomes a question mark
        self._data += text.encode("utf-8", "replace")
        self._starts.append(len(self._data))

    def arrays(self, name: str) -> Arrays:
        """``NAME.data`` and ``NAME.starts``."""
        return {
            f"{name}.data": np.frombuffer(bytes(self._data), dtype=np.uint8),
            f"{name}.starts": np.array(self._starts, dtype=np.int64),
        }


class Vocabulary:
    """Numbers strings that repeat, in the order in which they first come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a string, a new one where it was not seen before."""
        return self._numbers.setdefault(text, len(self._numbers))

    def arrays(self, name: str) -> Arrays:
        """The strings as the arrays of a :class:`TextColumn`."""
        writer = TextWriter()
        for text in self._numbers:
            writer.add(text)
        return writer.arrays(name)


class ListWriter:
    """Gathers numbers in lists: the elements, and where each list begins."""

    def __init__(self) -> None:
        self._values = array("i")
        self._starts = array("q", [0])

    def __len__(self) -> int:
        return len(self._starts) - 1

    def add(self, values: Iterable[int]) -> None:
        """Append one list."""
        self._values.extend(values)
        self._starts.append(len(self._values))

    def arrays(self, name: str) -> Arrays:
        """``NAME.values`` int32 and ``NAME.starts`` int64."""
        return {
            f"{name}.values": np.array(self._values, dtype=np.int32),
            f"{name}.starts": np.array(self._starts, dtype=np.int64),
        }


def text_column(arrays: Mapping[str, NDArray[Any]], name: str) -> TextColumn:
    """The strings under a name of ``arrays``."""
    return TextColumn(arrays[f"{name}.data"], arrays[f"{name}.starts"])


def save_arrays(arrays: Mapping[str, NDArray[Any]], folder: Path) -> None:
    """Write each array into ``folder/NAME.npy``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values, allow_pickle=False)


def open_arrays(folder: str | os.PathLike[str], names: Iterable[str]) -> Arrays:
    """Map ``folder/NAME.npy`` into memory, read-only: processes share the pages.

    Raises:
        DataError: a file is absent or no array.
    """
    arrays = {}
    for name in names:
        path = Path(folder) / f"{name}.npy"
        try:
            # an empty array has nothing to map
            mode: Literal["r"] | None = "r" if path.stat().st_size > 128 else None
            # as a plain array over the map: elements of the subclass are slow to read
            arrays[name] = np.load(path, mmap_mode=mode, allow_pickle=False).view(np.ndarray)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); the folder must be whole, as save() writes it"
            ) from None
    return arrays
