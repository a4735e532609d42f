"""``ItemIndex``: approximate nearest items of a state in a large catalogue, by faiss.

An inverted file over the item vectors (faiss): the vectors lie in cells around centroids, and a
search reads the cells nearest to the state. What it finds is nearly, not always, the nearest.
"""

from __future__ import annotations

import math

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.extras import require

EXACT_ITEMS = 50_000
"""Catalogues up to this size are ranked whole, larger ones are not."""
POINTS_A_CELL = 40  # what faiss asks for to place a centroid well
CELLS_READ = 16


class ItemIndex:
    """Approximate nearest neighbours by cosine.

    Args:
        vectors: float32 (n_items, D), unit rows.

    Raises:
        MissingExtraError: faiss is not installed.
    """

    def __init__(self, vectors: FloatArray) -> None:
        faiss = require("faiss", "ann")
        n_items, size = vectors.shape
        cells = 2 ** round(math.log2(4 * math.sqrt(n_items)))
        chosen = np.random.default_rng(0).permutation(n_items)[: POINTS_A_CELL * cells]
        self._index = faiss.index_factory(size, f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
        self._index.train(vectors[chosen])
        self._index.add(vectors)
        self._index.nprobe = CELLS_READ

    def search(self, states: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """The K items nearest to each state.

        Args:
            states: float32 (N, D), unit rows.
            k: how many.

        Returns:
            int64 items and float32 cosines, both (N, K), nearest first; -1 and minus infinity where
            the cells that were read hold fewer.
        """
        cosines, items = self._index.search(np.ascontiguousarray(states), k)
        return items, np.where(items < 0, np.float32(-np.inf), cosines)
