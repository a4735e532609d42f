"""Type aliases for numpy arrays, and arrays that are handed out without being given away."""

from __future__ import annotations

import pickle
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Dtype = TypeVar("Dtype", bound=np.generic)


def read_only(values: NDArray[Dtype]) -> NDArray[Dtype]:
    """The same numbers, which nobody can change through this array: a view, not a copy."""
    array: NDArray[Any] = np.asarray(values)
    if not array.flags.writeable:
        return array  # mapped from a file, say
    view = array.view()
    view.flags.writeable = False
    return view


class KeepsArrays:
    """An object whose arrays can be written to wherever it is unpickled.

    Ray carries numpy's buffers beside the pickle, and those that come out of its store are
    read-only, whatever they were before.
    """

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: arrays that can be written to go inside the pickle."""
        return {
            name: _Inside(v) if isinstance(v, np.ndarray) and v.flags.writeable else v
            for name, v in self.__dict__.items()
        }


class _Inside:
    """An array that is pickled as bytes; what is unpickled is the array."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (pickle.dumps(self._array, protocol=4),)


DIGIT = 16
"""Bits by which whole numbers are sorted at once: so many numpy sorts by counting."""


def chunks(rows: IntArray, size: int) -> list[IntArray]:
    """Rows int64 (n,), at most ``size`` at a time."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def stable_order(keys: NDArray[Any]) -> IntArray:
    """What ``numpy.argsort(keys, kind="stable")`` gives, several times faster for whole numbers.

    Args:
        keys: numbers, shape (n,).

    Returns:
        int64 (n,): places of the keys from the smallest to the largest, equal ones as they stand.
    """
    if len(keys) == 0 or not np.issubdtype(keys.dtype, np.integer):
        return np.argsort(keys, kind="stable")
    low, high = int(keys.min()), int(keys.max())
    if high - low >= 1 << (3 * DIGIT):
        return np.argsort(keys, kind="stable")
    rest = keys.astype(np.int64, copy=False) - low
    rest = rest.astype(np.uint32 if high - low < 1 << 32 else np.uint64)
    order = np.argsort(rest.astype(np.uint16), kind="stable")  # of the lowest digit alone
    for _ in range(DIGIT, (high - low).bit_length(), DIGIT):
        rest >>= DIGIT
        order = order[np.argsort(rest.astype(np.uint16)[order], kind="stable")]
    return order


def ragged_rows(offsets: IntArray, chosen: IntArray) -> tuple[IntArray, IntArray]:
    """The rows of some owners, one owner after the other.

    Args:
        offsets: int64 (n_owners + 1,): owner ``i`` has rows ``offsets[i] : offsets[i + 1]``.
        chosen: int64 (N,), owners.

    Returns:
        Where each one's rows begin among those returned and the last one's end, int64 (N + 1,), and
        the rows, int64.
    """
    lengths = np.diff(offsets)[chosen]
    begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    shifts = np.repeat(offsets[:-1][chosen] - begins[:-1], lengths)
    return begins, np.arange(int(begins[-1])) + shifts


def repeats(items: IntArray) -> BoolArray:
    """Where a number stands that stood before in its row of int64 (N, K); bool (N, K)."""
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    again = np.zeros(items.shape, dtype=np.bool_)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    repeats = np.empty_like(again)
    np.put_along_axis(repeats, order, again, axis=1)
    return repeats
