"""What ``info`` says, written once in columns over N rows."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.envs.next_item.rules import NextItemRules, Outcome

MAX_MASKED_ITEMS = 50_000
"""Catalogues above this size say which items are seen by a list, not by a mask."""

Columns = dict[str, Any]
"""Arrays of N rows by name, or further dictionaries of them."""


class InfoBuilder:
    """Writes the columns of ``info`` about the users of ``rules``.

    Args:
        rules: the users.
        action_mask: whether ``action_mask`` is among the columns, int8 (N, n_items), 1 for each
            item that the user has not seen.
    """

    def __init__(self, rules: NextItemRules, action_mask: bool) -> None:
        self._rules = rules
        self._action_mask = action_mask

    @cached_property
    def _item_ids(self) -> np.ndarray:
        return np.array(self._rules.simulator.catalogue.ids, dtype=object)

    @cached_property
    def _titles(self) -> np.ndarray:
        return np.array(self._rules.simulator.catalogue.titles, dtype=object)

    def user_columns(self) -> Columns:
        """Who the users are and what they may be shown."""
        columns: Columns = {"user_id": self._rules.initial_histories.ids[self._rules.users]}
        if self._action_mask:
            columns["action_mask"] = self._rules.seen.unseen_masks().view(np.int8)
        return columns

    def step_columns(self, actions: IntArray, outcome: Outcome) -> Columns:
        """What was shown and how the users answered."""
        return {
            "item_id": self._item_ids[actions],
            "title": self._titles[actions],
            "accepted": outcome.accepted,
            "rewards": dict(outcome.rewards),
        }


def row_of(columns: Columns, row: int) -> dict[str, Any]:
    """One row of the columns, as plain Python values."""
    return {name: _value(column, row) for name, column in columns.items()}


def row_infos(infos: Columns, num_rows: int) -> list[dict[str, Any]]:
    """What Gymnasium's vector form says about each row: the values whose masks are true."""
    rows: list[dict[str, Any]] = [{} for _ in range(num_rows)]
    for name, column in infos.items():
        if not name.startswith("_"):
            values = _values(column, num_rows)
            for row in np.flatnonzero(infos[f"_{name}"]).tolist():
                rows[row][name] = values[row]
    return rows


def with_masks(columns: Columns, rows: BoolArray) -> Columns:
    """The columns in Gymnasium's vector form: each ``key`` with the mask ``_key`` of its rows."""
    masked: Columns = {}
    for name, column in columns.items():
        masked[name] = with_masks(column, rows) if isinstance(column, dict) else column
        masked[f"_{name}"] = rows
    return masked


def _value(column: Any, row: int) -> Any:
    if isinstance(column, dict):
        return row_of(column, row)
    value = column[row]
    return value.item() if isinstance(value, np.generic) else value


def _values(column: Any, num_rows: int) -> list[Any]:
    """A column's values as plain Python, an array for each row where it has more axes."""
    if isinstance(column, dict):
        return row_infos(column, num_rows)
    return column.tolist() if column.ndim == 1 else list(column)
