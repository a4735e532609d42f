"""Coverage, novelty, diversity and Gini coefficient of recommended lists.

One list a held-out step, the ranker's k best of all items, on the protocol of
:mod:`llmrec_env.evaluation.ranking`. Definitions follow Castells, Hurley and Vargas, "Novelty and
Diversity in Recommender Systems" (Recommender Systems Handbook, 2015).
"""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.top_k import top_k
from llmrec_env.data.catalogue import Catalogue, check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import Ranker, per_batch


def beyond_accuracy(
    ranker: Ranker,
    log: InteractionLog,
    train: InteractionLog,
    k: int = 10,
    vectors: FloatArray | None = None,
    mask_seen: bool = False,
    batch_users: int = 64,
) -> dict[str, float]:
    """Coverage, novelty, diversity and Gini coefficient of the lists shown at held-out steps.

    With n_i the lists that show item i, c_i its count in the training log and I items in all::

        coverage  = |{i : n_i > 0}| / I
        novelty   = mean over shown items of -log2 p_i,  p_i = (c_i + 1) / sum_j (c_j + 1)
        diversity = mean over lists of 1 - the mean cosine of two of its items
        gini      = sum_i (2 i - I - 1) n_(i) / (I sum_j n_j),  n_(1) <= ... <= n_(I)

    Gini is 0 where all items are shown equally often and 1 - k / I where k of them always are.
    Among items of one score it is arbitrary which is shown, though always the same.

    Args:
        ranker: what scores.
        log: held-out users.
        train: the users whose counts make an item popular.
        k: items a list.
        vectors: float (n_items, d), what tells items apart, such as :func:`category_vectors`; an
            item whose vector is zero is like no other. None leaves diversity out.
        mask_seen: whether items of the prefix are kept out of the lists.
        batch_users: users scored at once, at most (fewer where the catalogue is large).

    Returns:
        ``{"coverage@10": …, "novelty@10": …, "diversity@10": …, "gini@10": …, "steps": number of
        lists, "mask_seen": mask_seen}``.

    Raises:
        DataError: k, the vectors or the training log do not fit the catalogue, or the ranker's
            scores are refused by :func:`evaluate_ranking`.
    """
    _check(log, train, k, vectors)
    units = None if vectors is None else _unit(vectors)
    exposure, distances = np.zeros(log.n_items, dtype=np.int64), []

    def look(scores: FloatArray, taken: IntArray) -> int:
        lists, _ = top_k(scores, k)
        exposure[:] += np.bincount(lists[lists >= 0], minlength=log.n_items)
        if units is not None:
            distances.append(list_distances(lists, units))
        return len(lists)

    steps = sum(per_batch(ranker, log, look, mask_seen, batch_users))
    metrics = {
        f"coverage@{k}": float((exposure > 0).mean()),
        f"novelty@{k}": float(exposure @ self_information(train) / exposure.sum()),
    }
    if distances:
        metrics[f"diversity@{k}"] = float(np.nanmean(np.concatenate(distances)))
    return {**metrics, f"gini@{k}": gini(exposure), "steps": steps, "mask_seen": mask_seen}


def self_information(train: InteractionLog) -> Float64Array:
    """Bits that it takes to tell an item, ``-log2 p_i``: float64 (n_items,); see above."""
    counts = train.item_counts() + 1.0
    return np.log2(counts.sum()) - np.log2(counts)


def list_distances(lists: IntArray, units: FloatArray) -> Float64Array:
    """One minus the mean cosine of two items of a list.

    Args:
        lists: int64 (n, k) items, -1 where a list ends early.
        units: float32 (n_items, d), vectors of length 1, or 0.

    Returns:
        float64 (n,), NaN for lists of one item.
    """
    total = np.zeros((len(lists), units.shape[1]))
    squares, shown = np.zeros(len(lists)), (lists >= 0).sum(axis=1)
    for items in lists.T:  # place by place: the vectors of whole lists would not fit in memory
        vectors = np.where(items[:, None] >= 0, units[items], 0.0)
        total += vectors
        squares += (vectors**2).sum(axis=1)
    pairs = shown * (shown - 1.0)
    with np.errstate(invalid="ignore"):
        return 1.0 - ((total**2).sum(axis=1) - squares) / np.where(pairs > 0, pairs, np.nan)


def gini(exposure: IntArray) -> float:
    """Gini coefficient of counts, int64 (n,): 0 if all are equal, 1 - 1 / n if all but one are 0.

    Raises:
        DataError: nothing was counted.
    """
    if not exposure.sum() > 0:
        raise DataError("Gini coefficient: no item was shown, so no share of the lists exists")
    n = len(exposure)
    weights = 2.0 * np.arange(1, n + 1) - n - 1
    return float(weights @ np.sort(exposure) / (n * exposure.sum()))


def category_vectors(catalogue: Catalogue, column: str = "category") -> FloatArray:
    """Which categories an item is of, float32 (n_items, n_categories) of zeros and ones.

    Args:
        catalogue: the items.
        column: a column of the catalogue that names them, joined by commas ("genres", "tags").

    Raises:
        DataError: there is no such column, or it names nothing.
    """
    if column not in catalogue.table.columns:
        raise DataError(
            f"the catalogue has no column {column!r} to tell items apart by; it has "
            f"{catalogue.text_columns}"
        )
    names = catalogue.table.select(
        pl.int_range(pl.len()).alias("item"), pl.col(column).str.split(",").alias("name")
    ).explode("name")
    names = names.with_columns(pl.col("name").str.strip_chars()).filter(pl.col("name") != "")
    if not names.height:
        raise DataError(f"the catalogue's column {column!r} is empty for every item")
    codes = names["name"].rank("dense").to_numpy() - 1
    vectors = np.zeros((len(catalogue), int(codes.max()) + 1), dtype=np.float32)
    vectors[names["item"].to_numpy(), codes] = 1.0
    return vectors


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _check(log: InteractionLog, train: InteractionLog, k: int, vectors: FloatArray | None) -> None:
    check_same_catalogue(log.catalogue, train.catalogue, "the training log")
    least = 1 if vectors is None else 2
    if not least <= k <= log.n_items:
        raise DataError(f"k must lie in [{least}, {log.n_items}], items a list; got {k}")
    if vectors is not None and (vectors.ndim != 2 or len(vectors) != log.n_items):
        raise DataError(
            f"vectors of shape {vectors.shape}; expected one row for each of {log.n_items} items"
        )
