"""``ItemSpace``: where items lie, to tell which is nearest to an action or to a seen item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray, read_only
from llmrec_env.common.errors import SettingError
from llmrec_env.common.nearest import NearestLeft
from llmrec_env.users.base import ITEM_SIZE, UserSimulator

WITHIN = 0.99
"""The share of the items whose first coordinate lies within [-1, 1]; the rest is clipped to it."""
STRETCH = 2**14  # items in double precision at a time


class ItemSpace:
    """Items as points in [-1, 1]^d: the principal components of their vectors.

    One factor scales all axes, so distances keep their proportions, and puts :data:`WITHIN` of the
    items within [-1, 1] on the first axis. An axis points to where its largest item lies.
    Immutable.

    Args:
        vectors: float (n_items, D), such as :attr:`UserSimulator.item_vectors`.
        size: d, at most D.

    Attributes:
        points: float32 (n_items, d).

    Raises:
        SettingError: the vectors are no finite table.
    """

    def __init__(self, vectors: FloatArray, size: int = ITEM_SIZE) -> None:
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise SettingError(
                f"item vectors must be finite and of shape (n_items, D), got {vectors.shape}"
            )
        self.points = read_only(_scaled(_principal(vectors, min(size, vectors.shape[1]))))
        self._nearest = NearestLeft(self.points)

    def __deepcopy__(self, memo: dict[int, Any]) -> ItemSpace:
        return self

    @property
    def size(self) -> int:
        """Axes of the space, d."""
        return self.points.shape[1]

    def nearest_rows(self, points: FloatArray, left_out: Sequence[IntArray]) -> IntArray:
        """The items nearest to float32 (N, d) but for those of the row's ``left_out``, int64 (M,)
        each; int64 (N,)."""
        return self._nearest.find_rows(points, left_out)

    def nearest_each(self, points: FloatArray, left_out: IntArray) -> IntArray:
        """For each of float32 (M, d) in turn, the nearest item but for those of ``left_out`` and
        those found before it; int64 (M,)."""
        return self._nearest.find_each(points, left_out)


_SPACES: WeakKeyDictionary[UserSimulator, ItemSpace] = WeakKeyDictionary()


def item_space_of(simulator: UserSimulator) -> ItemSpace:
    """The space of a simulator's item vectors, one for all environments that ask it.

    Raises:
        SimulatorError: it does not say where items lie.
        SettingError: its item vectors are no finite table.
    """
    if simulator not in _SPACES:
        _SPACES[simulator] = ItemSpace(simulator.item_vectors)
    return _SPACES[simulator]


def _principal(vectors: FloatArray, size: int) -> FloatArray:
    """The first principal components, float64 (n_items, size), a sign for each that is stable."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    stretches = [vectors[start : start + STRETCH] for start in range(0, len(vectors), STRETCH)]
    _, axes = np.linalg.eigh(sum((part - mean).T @ (part - mean) for part in stretches))
    axes = axes[:, ::-1][:, :size]
    components = np.concatenate([(part - mean) @ axes for part in stretches])
    largest = np.abs(components).argmax(axis=0)
    signs = np.sign(components[largest, np.arange(components.shape[1])])
    result: FloatArray = components * np.where(signs == 0, 1.0, signs)
    return result


def _scaled(components: FloatArray) -> FloatArray:
    reach = np.quantile(np.abs(components[:, 0]), WITHIN) or 1.0
    return np.clip(components / reach, -1.0, 1.0).astype(np.float32)
