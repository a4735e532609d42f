"""Nearest neighbours of a query among many vectors: ``VectorIndex`` (faiss) and ``NearestLeft``.

An inverted file over the vectors (faiss): they lie in cells around centroids, and a search reads
the cells nearest to the query. What it finds is nearly, not always, the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.extras import require

EXACT_ITEMS = 50_000
"""Catalogues up to this size are ranked whole, larger ones are not."""
POINTS_A_CELL = 40  # what faiss asks for to place a centroid well
CELLS_READ = 16
FIRST_LOOK = 8  # neighbours asked for at first: the nearest is seldom left out


class VectorIndex:
    """Approximate nearest neighbours by inner product, or by distance.

    Args:
        vectors: float32 (n_items, D).
        by_distance: whether the nearest are those at the smallest distance; else those with the
            largest inner product, which is the cosine where all rows are unit vectors.

    Raises:
        MissingExtraError: faiss is not installed.
    """

    def __init__(self, vectors: FloatArray, by_distance: bool = False) -> None:
        faiss = require("faiss", "ann")
        self._sign = np.float32(-1.0 if by_distance else 1.0)
        metric = faiss.METRIC_L2 if by_distance else faiss.METRIC_INNER_PRODUCT
        n_items, size = vectors.shape
        cells = 2 ** round(math.log2(4 * math.sqrt(n_items)))
        chosen = np.random.default_rng(0).permutation(n_items)[: POINTS_A_CELL * cells]
        self._index = faiss.index_factory(size, f"IVF{cells},Flat", metric)
        self._index.train(vectors[chosen])
        self._index.add(vectors)
        self._index.nprobe = CELLS_READ

    def search(self, queries: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """The K items nearest to each query.

        Args:
            queries: float32 (N, D).
            k: how many.

        Returns:
            int64 items and float32 inner products, or squared distances with a minus, both (N, K),
            nearest first; -1 and minus infinity where the cells that were read hold fewer.
        """
        found, items = self._index.search(np.ascontiguousarray(queries), k)
        return items, np.where(items < 0, np.float32(-np.inf), self._sign * found)


class NearestLeft:
    """The point nearest to another, among those that are not left out.

    Up to ``EXACT_ITEMS`` points all are looked at, above that a :class:`VectorIndex`. Where all are
    looked at, what is found does not depend on who else asks. Immutable.

    Args:
        points: float32 (n, D).
    """

    def __init__(self, points: FloatArray) -> None:
        self._points = points
        self._is_large = len(points) > EXACT_ITEMS
        self._half_squares = (points * points).sum(axis=1, dtype=np.float32) / 2

    @cached_property
    def _index(self) -> VectorIndex | None:
        return VectorIndex(self._points, by_distance=True) if self._is_large else None

    def __reduce__(self) -> tuple[type[NearestLeft], tuple[FloatArray]]:
        return NearestLeft, (self._points,)

    def find(self, point: FloatArray, left_out: IntArray) -> int:
        """The point nearest to float32 (D,) but for those of ``left_out``, int64 (M,), M < n."""
        if self._index is not None:
            found = self._find_in(self._index, point, set(left_out.tolist()))
            if found is not None:
                return found
        return self._find_among_all(point, left_out)

    def find_rows(self, points: FloatArray, left_out: Sequence[IntArray]) -> IntArray:
        """:meth:`find` for float32 (N, D), int64 (N,); each row has its own ``left_out``."""
        if self._index is None:
            pairs = zip(points, left_out, strict=True)
            return np.array([self._find_among_all(*pair) for pair in pairs], dtype=np.int64)
        near, _ = self._index.search(points, FIRST_LOOK)
        found = np.empty(len(points), dtype=np.int64)
        for row, out in enumerate(left_out):
            item = _first_left(near[row], set(out.tolist()))
            found[row] = self.find(points[row], out) if item is None else item
        return found

    def _find_among_all(self, point: FloatArray, left_out: IntArray) -> int:
        # |q - p|^2 is smallest where q . p - |p|^2 / 2 is largest
        scores = self._points @ point - self._half_squares
        scores[left_out] = -np.inf
        return int(scores.argmax())

    def _find_in(self, index: VectorIndex, point: FloatArray, left_out: set[int]) -> int | None:
        """The first that is left, in longer and longer lists; None where the cells are used up."""
        most, k = min(len(left_out) + 1, len(self._points)), FIRST_LOOK
        while True:
            near, _ = index.search(point[None], min(k, most))
            item = _first_left(near[0], left_out)
            if item is not None or k >= most:
                return item
            k *= 8

    def find_each(self, points: FloatArray, left_out: IntArray) -> IntArray:
        """For each of some points in turn, the nearest that is not left out or found already.

        Args:
            points: float32 (M, D).
            left_out: int64 (L,), L + M <= n.

        Returns:
            int64 (M,).
        """
        found = np.empty(len(points), dtype=np.int64)
        if self._is_large:
            for i, point in enumerate(points):
                found[i] = self.find(point, np.concatenate([left_out, found[:i]]))
            return found
        scores = points @ self._points.T - self._half_squares
        scores[:, left_out] = -np.inf
        for i, row in enumerate(scores):
            found[i] = row.argmax()
            scores[i + 1 :, found[i]] = -np.inf
        return found


def _first_left(near: IntArray, left_out: set[int]) -> int | None:
    """The first of a list, -1 for none, that is not left out."""
    return next((int(item) for item in near if item >= 0 and int(item) not in left_out), None)
