"""Next-item ranking by how often the taken item occurs in training: cold items and warm ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import Ranker, held_out_rows, ranking_metrics, step_ranks

EDGES = (0, 2, 5, 20)
"""The highest count of each bin but the last, which has none."""


def evaluate_by_count(
    ranker: Ranker,
    log: InteractionLog,
    counts: IntArray,
    ks: Sequence[int] = (5, 10, 20),
    edges: Sequence[int] = EDGES,
    mask_seen: bool = False,
    batch_users: int = 64,
) -> dict[str, dict[str, float]]:
    """Rank the logged next item, by how often that item occurs in training.

    Args:
        ranker, log, ks, mask_seen, batch_users: as of :func:`evaluate_ranking`.
        counts: int64 (n_items,), such as ``train.item_counts()``.
        edges: the highest count of each bin but the last, rising.

    Returns:
        ``{"all": …, "never": …, "1-2": …, "3-5": …, "6-20": …, "more than 20": …}``, each as from
        :func:`evaluate_ranking`; a bin without a step is absent.

    Raises:
        DataError: the edges do not rise, there is not one count an item, or no step is held out.
    """
    bins = step_bins(log, counts, edges)
    ranks = step_ranks(ranker, log, mask_seen, batch_users)
    names = bin_names(edges)
    found = {"all": {**ranking_metrics(ranks, ks), "mask_seen": mask_seen}}
    for number in np.unique(bins):
        own = ranking_metrics(ranks[bins == number], ks)
        found[names[number]] = {**own, "mask_seen": mask_seen}
    return found


def step_bins(log: InteractionLog, counts: IntArray, edges: Sequence[int] = EDGES) -> IntArray:
    """The bin of the taken item at every held-out step, int64 (n_steps,).

    Users in the order of the log, steps in the order of time, as :func:`step_ranks` gives ranks.

    Args:
        log: held-out users.
        counts: int64 (n_items,), how often each item occurs in training.
        edges: the highest count of each bin but the last, rising.

    Raises:
        DataError: the edges do not rise, or there is not one count an item.
    """
    _check(edges)
    if counts.shape != (log.n_items,):
        raise DataError(
            f"counts must be of shape ({log.n_items},), one an item of the log's catalogue; got "
            f"shape {counts.shape}"
        )
    return np.searchsorted(np.asarray(edges), counts[log.items[held_out_rows(log)]], side="left")


def bin_names(edges: Sequence[int] = EDGES) -> list[str]:
    """What to call each bin: "never", "1-2", "3-5", "6-20", "more than 20".

    Raises:
        DataError: the edges do not rise.
    """
    _check(edges)
    names, low = [], 0
    for high in edges:
        span = str(high) if low == high else f"{low}-{high}"
        names.append("never" if high == 0 else span)
        low = high + 1
    return [*names, f"more than {edges[-1]}"]


def _check(edges: Sequence[int]) -> None:
    if not len(edges) or edges[0] < 0 or any(a >= b for a, b in pairwise(edges)):
        raise DataError(f"edges must be counts that rise, such as {EDGES}; got {tuple(edges)}")
