"""Changes to a whole log before it is split: k-core filtering, and shuffled item indices."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog, check_log


def shuffle_items(log: InteractionLog, seed: int) -> InteractionLog:
    """The same log with its items numbered in a random order.

    Where items are numbered by first appearance the number itself tells what a user takes next;
    after the shuffle it tells nothing.
    """
    check_log(log)
    return _renumber_items(log, np.random.default_rng(seed).permutation(log.n_items))


def k_core(log: InteractionLog, k: int) -> InteractionLog:
    """The largest part of the log in which every user and every item has ``k`` interactions.

    Users and items below ``k`` leave in turns until none is left below it. The items that leave
    also leave the catalogue; the others keep their order.

    Raises:
        DataError: nothing remains, ``k`` is below 1, or the log has been split already.
    """
    check_log(log)
    if k < 1:
        raise DataError(f"k-core: k must be at least 1, got {k}")
    if (log.first_target > 1).any():
        raise DataError("k-core: this log holds targets of a split; filter first, then split")
    rows = np.ones(len(log), dtype=bool)
    users = log.row_users
    remaining = -1
    while remaining != (remaining := int(rows.sum())):
        for owners, size in ((users, log.n_users), (log.items, log.n_items)):
            rows &= np.bincount(owners[rows], minlength=size)[owners] >= k
    if remaining == 0:
        raise DataError(
            f"k-core: none of the {len(log)} interactions is in the {k}-core; take a smaller k"
        )
    core = log.keep(rows)
    return _renumber_items(core, np.flatnonzero(core.item_counts()))


def _renumber_items(log: InteractionLog, order: IntArray) -> InteractionLog:
    """The log over the catalogue of the items ``order``, which must hold every seen item."""
    new_index = np.full(log.n_items, -1, dtype=np.int64)
    new_index[order] = np.arange(len(order))
    return log.with_items(log.catalogue.take(order), new_index)
