"""The K highest scores of each row of a matrix, and the removal of unwanted items from them."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray

Pairs = tuple[IntArray, IntArray]
"""Rows and items, int64 (P,) each: items that are none of a row's."""


def top_k(scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """The K highest of each row of (N, n), best first.

    Returns:
        int64 places and float32 scores, both (N, K); -1 and minus infinity where a row has fewer
        than K scores above that.
    """
    n_rows, n = scores.shape
    items = np.full((n_rows, k), -1, dtype=np.int64)
    best = np.full((n_rows, k), -np.inf, dtype=np.float32)
    kept = min(k, n)
    top = np.argpartition(scores, n - kept, axis=1)[:, n - kept :]
    values = np.take_along_axis(scores, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    items[:, :kept] = np.take_along_axis(top, order, axis=1)
    best[:, :kept] = np.take_along_axis(values, order, axis=1)
    items[~np.isfinite(best)] = -1
    return items, best


def leave_out(
    items: IntArray, scores: FloatArray, unwanted: Pairs, k: int
) -> tuple[IntArray, FloatArray]:
    """The K best of lists (N, C), best first and -1 for none, without what is unwanted.

    Returns:
        As :func:`top_k`.
    """
    span = int(max(items.max(initial=0), unwanted[1].max(initial=0))) + 1
    keys = np.arange(len(items))[:, None] * span + items
    out = _among(keys, unwanted[0] * span + unwanted[1]) | (items < 0)
    return first_kept(items, scores, ~out, k)


def first_kept(
    items: IntArray, scores: FloatArray, kept: BoolArray, k: int
) -> tuple[IntArray, FloatArray]:
    """The first K of lists (N, C) that are ``kept``, bool (N, C).

    Returns:
        As :func:`top_k`.
    """
    order = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    left = np.take_along_axis(kept, order, axis=1)
    return (
        np.where(left, np.take_along_axis(items, order, axis=1), -1),
        np.where(left, np.take_along_axis(scores, order, axis=1), np.float32(-np.inf)),
    )


def _among(keys: IntArray, others: IntArray) -> BoolArray:
    """``numpy.isin`` for fewer ``others`` than keys, without sorting the keys."""
    if not len(others):
        return np.zeros(keys.shape, dtype=np.bool_)
    ordered = np.sort(others)
    places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    found: BoolArray = ordered[places] == keys
    return found
