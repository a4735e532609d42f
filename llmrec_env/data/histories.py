"""Checks the histories and candidates that callers ask about, before anybody answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.checks import check_indices
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.wording import shown

OF_IDS = "catalogue.index_of(ids) finds the indices of external ids"


def check_items(items: Any, n_items: int) -> IntArray:
    """Items by their indices in the catalogue, int64 of the shape given.

    Raises:
        SimulatorError: these are no integers, or there is no such item.
    """
    return check_indices("items", items, n_items, OF_IDS, SimulatorError)


def check_histories(histories: Any, n_items: int) -> None:
    """A history is an array of items, oldest first, one a user; it may be empty.

    Raises:
        SimulatorError: one is something else.
    """
    if isinstance(histories, np.ndarray) and histories.ndim == 2:
        check_items(histories, n_items)
        return
    if not hasattr(histories, "__len__") or not all(
        hasattr(history, "__len__") and not isinstance(history, str) for history in histories
    ):
        raise SimulatorError(
            "histories must be item arrays, one a user, such as [log.sequence(0)]; got "
            f"{shown(histories)}"
        )
    filled = [np.asarray(history) for history in histories if len(history)]
    if filled:
        check_items(np.concatenate(filled) if all(a.ndim == 1 for a in filled) else filled, n_items)


def check_candidates(histories: Any, candidates: Any, n_items: int) -> IntArray:
    """The items about which each of N users is asked, int64 (N, C).

    Raises:
        SimulatorError: they are of another shape, or there is no such item.
    """
    items = check_items(candidates, n_items)
    if items.ndim != 2 or len(items) != len(histories):
        raise SimulatorError(
            f"candidates must be items of shape (N, C), a row for each of {len(histories)} "
            f"histories; got shape {items.shape}"
        )
    return items
