"""Initial item embeddings made from given item vectors, and checks of these vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from agents.backbones.base import INITIAL_STD
from llmrec_env.common.arrays import Float64Array, FloatArray
from llmrec_env.common.errors import DataError, SettingError


def check_vectors(vectors: ArrayLike | None, wanted: bool, n_items: int) -> Float64Array | None:
    """The items' vectors, checked, where the settings ask for them.

    Returns:
        float64 (n_items, d); None where they do not.

    Raises:
        SettingError: there are vectors and the setting has no use for them, or the reverse.
        DataError: they are not of shape (n_items, d), not finite, or all the same.
    """
    if not wanted:
        if vectors is not None:
            raise SettingError(
                'item_vectors have no use with these settings; set item_init="text", or '
                'diversity_vectors="given" for "smorl"'
            )
        return None
    if vectors is None:
        raise SettingError(
            'item_init="text" and diversity_vectors="given" need to know of the items: call '
            "fit(log, item_vectors=...) with one vector an item"
        )
    values = np.asarray(vectors, dtype=np.float64)
    if values.ndim != 2 or len(values) != n_items or not values.shape[1]:
        raise DataError(
            f"item_vectors must be of shape ({n_items}, d), one row an item of the catalogue, in "
            f"its order; got {values.shape}"
        )
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise DataError(
            f"item_vectors must be finite; row {int(np.argmin(finite))} is not "
            f"({int((~finite).sum())} such rows)"
        )
    if np.ptp(values, axis=0).max() == 0:
        raise DataError("item_vectors are all the same: they tell nothing of the items")
    return values


def principal_table(vectors: Float64Array, dim: int) -> FloatArray:
    """Vectors brought to the width and scale of an embedding that has yet to learn.

    Their differences from the mean along the ``dim`` directions in which they differ most; columns
    beyond their own width are 0. A mean entry, squared, is that of random initial weights.

    Args:
        vectors: float64 (n_items, d), not all the same.
        dim: width of the embedding.

    Returns:
        float32 (n_items, dim).
    """
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # the last is the longest
    kept = centred @ directions[:, ::-1][:, :dim]
    table = np.zeros((len(vectors), dim))
    table[:, : kept.shape[1]] = kept
    return (table * (INITIAL_STD / np.sqrt(np.mean(table**2)))).astype(np.float32)
