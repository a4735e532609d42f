"""Next-item ranking split by how often an item occurs in training, or by click and purchase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.events import kinds_of_events
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
    kinds = {name: bins == number for number, name in enumerate(bin_names(edges))}
    return _metrics_of_kinds(ranks, kinds, ks, mask_seen)


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
    _check_edges(edges)
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
    _check_edges(edges)
    names, low = [], 0
    for high in edges:
        span = str(high) if low == high else f"{low}-{high}"
        names.append("never" if high == 0 else span)
        low = high + 1
    return [*names, f"more than {edges[-1]}"]


def _check_edges(edges: Sequence[int]) -> None:
    if not len(edges) or edges[0] < 0 or any(a >= b for a, b in pairwise(edges)):
        raise DataError(f"edges must be counts that rise, such as {EDGES}; got {tuple(edges)}")


def evaluate_by_event(
    ranker: Ranker,
    log: InteractionLog,
    ks: Sequence[int] = (5, 10, 20),
    mask_seen: bool = False,
    batch_users: int = 64,
) -> dict[str, dict[str, float]]:
    """Rank the logged next item where it was clicked, and where it was bought.

    The SQN line of work reports these two (arXiv 2006.05779). A step is of the kind of the event
    with which the user took the item that is to be ranked (:mod:`llmrec_env.data.events`); events
    of no known kind, and those with a reward of their own, stand under their own names.

    Args:
        ranker, log, ks, mask_seen, batch_users: as of :func:`evaluate_ranking`.

    Returns:
        ``{"all": …, "click": …, "purchase": …}``, each as from :func:`evaluate_ranking`; a kind
        without a step is absent.

    Raises:
        DataError: the log tells no events, or no step is held out.
    """
    kinds = event_steps(log)
    return _metrics_of_kinds(step_ranks(ranker, log, mask_seen, batch_users), kinds, ks, mask_seen)


def event_steps(log: InteractionLog) -> dict[str, BoolArray]:
    """The held-out steps of each kind of event, bool (n_steps,), by its name.

    Raises:
        DataError: the log tells no events.
    """
    if "event" not in log.feedback.columns:
        raise DataError(
            f"this log has no column 'event' (it has {log.feedback.columns}), so clicks and "
            "purchases cannot be told apart; use evaluate_ranking"
        )
    kinds = kinds_of_events(log.feedback["event"], log.reading.event_rewards)
    found = kinds.fill_null("unknown").filter(held_out_rows(log))
    names = sorted(found.unique(), key=lambda name: (name not in ("click", "purchase"), name))
    return {name: (found == name).to_numpy() for name in names}


def _metrics_of_kinds(
    ranks: Float64Array, kinds: Mapping[str, BoolArray], ks: Sequence[int], mask_seen: bool
) -> dict[str, dict[str, float]]:
    """Metrics of all steps and of each kind of step, bool (n_steps,), that occurs."""
    steps = {"all": np.ones(len(ranks), dtype=bool), **kinds}
    return {
        name: {**ranking_metrics(ranks[own], ks), "mask_seen": mask_seen}
        for name, own in steps.items()
        if own.any()
    }
