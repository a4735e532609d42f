"""``InfoBuilder``: writes the ``info`` of N users, as columns."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces

from llmrec_env.common.arrays import BoolArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.checks import check_flag
from llmrec_env.envs.common.infos import Columns, row_of, with_masks
from llmrec_env.envs.next_item.candidates import CandidateActions
from llmrec_env.envs.next_item.rules import REWARDS, NextItemRules, Outcome

MAX_MASKED_ITEMS = 50_000
"""Above this number of actions the items that are seen are told by a list, not by a mask."""


def tells_masks(rules: NextItemRules, action_mask: bool | None) -> bool:
    """Whether ``info`` has a mask; None means where there are few enough actions.

    Raises:
        SettingError: a mask is asked for where actions are points.
    """
    asked = check_flag("action_mask", action_mask)
    space = rules.action_space
    if not isinstance(space, spaces.Discrete):
        if asked:
            raise SettingError("action_mask=True: actions that are points have no mask")
        return False
    return bool(space.n <= MAX_MASKED_ITEMS) if asked is None else asked


class InfoBuilder:
    """Writes ``info`` about the users of ``rules``.

    Args:
        rules: the users.
        action_mask: whether ``action_mask`` is among it, int8 (N, number of actions), 1 where an
            action stands for an unseen item. The single environment lists the seen ones without it.
    """

    def __init__(self, rules: NextItemRules, action_mask: bool) -> None:
        self._rules = rules
        self._action_mask = action_mask

    def infos(self, rows: BoolArray, begun: BoolArray, outcome: Outcome | None) -> Columns:
        """The vector form: who the users of ``rows`` are, and what was shown, nothing if begun."""
        columns = self._user_columns() | self._step_columns(outcome)
        if outcome is not None and begun.any():
            for name, nothing in self._step_columns(None).items():
                columns[name] = _where(begun, nothing, columns[name])
        return with_masks(columns, rows)

    def first_info(self, outcome: Outcome | None) -> dict[str, Any]:
        """The first user, and what was shown in the last step, if there was one."""
        info = row_of(self._user_columns() | self._step_columns(outcome), 0)
        if not self._action_mask:
            info["seen"] = self._rules.seen.of(0)
        return info

    @cached_property
    def _item_ids(self) -> np.ndarray:
        return np.array(self._rules.simulator.catalogue.ids, dtype=object)

    @cached_property
    def _titles(self) -> np.ndarray:
        return np.array(self._rules.simulator.catalogue.titles, dtype=object)

    def _user_columns(self) -> Columns:
        """Who the users are and what they may be shown."""
        columns: Columns = {"user_id": self._rules.initial_histories.ids[self._rules.users]}
        if self._action_mask:
            columns["action_mask"] = self._rules.action_masks().view(np.int8)
        if isinstance(self._rules.actions, CandidateActions):
            columns["candidates"] = self._rules.actions.items.copy()
        return columns

    def _step_columns(self, outcome: Outcome | None) -> Columns:
        """What was shown and how the users answered; empty values of the same kinds for None."""
        if outcome is None:
            return self._nothing()
        columns: Columns = {
            "item_id": self._item_ids[outcome.items],
            "title": self._titles[outcome.items],
            "accepted": outcome.accepted.copy(),
            "rewards": {name: values.copy() for name, values in outcome.rewards.items()},
        }
        if self._rules.replaces:
            columns["replaced"] = outcome.replaced.copy()
        return columns

    def _nothing(self) -> Columns:
        n = self._rules.num_rows
        texts = np.full(n, "", dtype=object)
        rewards = {name: np.zeros(n, dtype=np.float32) for name in REWARDS}
        no = np.zeros(n, dtype=np.bool_)
        columns = {"item_id": texts, "title": texts.copy(), "accepted": no, "rewards": rewards}
        return columns | {"replaced": no.copy()} if self._rules.replaces else columns


def _where(rows: BoolArray, values: Any, otherwise: Any) -> Any:
    """Columns with the ``values`` of ``rows`` and what stands ``otherwise`` in the others."""
    if isinstance(values, dict):
        return {name: _where(rows, value, otherwise[name]) for name, value in values.items()}
    return np.where(rows, values, otherwise)
