"""Item vectors from a log by random indexing: items with the same users lie close together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.data.log import InteractionLog

SIZE = 64


def random_indexing(log: InteractionLog, size: int = SIZE, seed: int = 0) -> FloatArray:
    """Vectors of items, each the sum of random vectors of those who took it (Sahlgren, 2005).

    The inner product of two items is, up to the noise of the random vectors, how many users took
    both. It costs one pass over the log, whatever the size of the catalogue.

    Args:
        log: the users.
        size: length of a vector.
        seed: of the users' random vectors.

    Returns:
        float32 (n_items, size), unit rows; zero where nobody took the item.
    """
    users = np.random.default_rng(seed).standard_normal((log.n_users, size)).astype(np.float32)
    vectors = np.zeros((log.n_items, size), dtype=np.float32)
    np.add.at(vectors, log.items, users[log.row_users])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: FloatArray = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return result


def mean_directions(vectors: FloatArray, histories: Sequence[IntArray]) -> FloatArray:
    """The direction of the mean of the items of each history; zero after an empty one.

    Args:
        vectors: float32 (n_items, size), one an item.
        histories: N item arrays.

    Returns:
        float32 (N, size), unit rows.
    """
    sums = np.stack([vectors[history].sum(axis=0) for history in histories])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    result: FloatArray = (sums / np.maximum(lengths, 1e-9)).astype(np.float32)
    return result
