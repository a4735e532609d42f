"""``UserInfos``: writes the ``info`` of N users, as columns; ``InfoBuilder`` after single items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from gymnasium import spaces

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.checks import check_flag
from llmrec_env.envs.common.infos import Columns, row_of, with_masks
from llmrec_env.envs.common.rules import Outcome as AnyOutcome
from llmrec_env.envs.next_item.candidates import CandidateActions
from llmrec_env.envs.next_item.rules import Outcome
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes

MAX_MASKED_ITEMS = 50_000
"""Above this number of actions the items that are seen are told by a list, not by a mask."""


class Answered(AnyOutcome, Protocol):
    """What a step brought, where users were asked about items."""

    @property
    def items(self) -> IntArray:
        """The items shown, int64 (N,)."""

    @property
    def rewards(self) -> dict[str, FloatArray]:
        """The named terms, float32 (N,) each."""

    @property
    def accepted(self) -> BoolArray:
        """Whether an item was taken, bool (N,)."""


AnsweredT = TypeVar("AnsweredT", bound=Answered)


def tells_masks(rules: UsersInEpisodes[Any], action_mask: bool | None) -> bool:
    """Whether ``info`` has a mask; None means where there are few enough actions.

    Raises:
        SettingError: a mask is asked for where actions are points.
    """
    asked = check_flag("action_mask", action_mask)
    space = rules.actions.space
    if not isinstance(space, spaces.Discrete):
        if asked:
            raise SettingError("action_mask=True: actions that are points have no mask")
        return False
    return bool(space.n <= MAX_MASKED_ITEMS) if asked is None else asked


class UserInfos(ABC, Generic[AnsweredT]):
    """Writes ``info`` about the users of ``rules``.

    Args:
        rules: the users.
        action_mask: whether ``action_mask`` is among it, int8 (N, number of actions), 1 where an
            action stands for an unseen item. The single environment lists the seen ones without it.
    """

    def __init__(self, rules: UsersInEpisodes[AnsweredT], action_mask: bool) -> None:
        self._rules = rules
        self._action_mask = action_mask

    def infos(self, rows: BoolArray, begun: BoolArray, outcome: AnsweredT | None) -> Columns:
        """The vector form: who the users of ``rows`` are, and what was shown, nothing if begun."""
        columns = self._user_columns() | self._step_columns(outcome)
        if outcome is not None and begun.any():
            for name, nothing in self._step_columns(None).items():
                columns[name] = _where(begun, nothing, columns[name])
        return with_masks(columns, rows)

    def first_info(self, outcome: AnsweredT | None) -> dict[str, Any]:
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
            masks = self._rules.actions.masks(self._rules.now())
            columns["action_mask"] = masks.view(np.int8)
        if isinstance(self._rules.actions, CandidateActions):
            columns["candidates"] = self._rules.actions.items.copy()
        return columns

    def _step_columns(self, outcome: AnsweredT | None) -> Columns:
        """What was shown and how the users answered; empty values of the same kinds for None."""
        if outcome is None:
            return self._nothing()
        rewards = {name: values.copy() for name, values in outcome.rewards.items()}
        columns: Columns = {
            "item_id": self._item_ids[outcome.items],
            "title": self._titles[outcome.items],
            "accepted": outcome.accepted.copy(),
            "rewards": rewards,
        }
        return columns | self._rules.told | self._told(outcome)

    @abstractmethod
    def _told(self, outcome: AnsweredT) -> Columns:
        """What the step brought beside the item and the answer to it, or in their place."""

    def _nothing(self) -> Columns:
        """Before a step."""
        n = self._rules.num_rows
        texts = np.full(n, "", dtype=object)
        rewards = {name: np.zeros(n, dtype=np.float32) for name in self._rules.terms}
        no = np.zeros(n, dtype=np.bool_)
        first = {"item_id": texts, "title": texts.copy(), "accepted": no, "rewards": rewards}
        return first | self._rules.nothing_told()


class InfoBuilder(UserInfos[Outcome]):
    """Tells of single items."""

    def _told(self, outcome: Outcome) -> Columns:
        return {"replaced": outcome.replaced.copy()} if self._rules.replaces else {}

    def _nothing(self) -> Columns:
        columns = super()._nothing()
        if self._rules.replaces:
            columns["replaced"] = np.zeros(self._rules.num_rows, dtype=np.bool_)
        return columns


def _where(rows: BoolArray, values: Any, otherwise: Any) -> Any:
    """Columns with the ``values`` of ``rows`` and what stands ``otherwise`` in the others."""
    if isinstance(values, dict):
        return {name: _where(rows, value, otherwise[name]) for name, value in values.items()}
    return np.where(rows.reshape(-1, *[1] * (values.ndim - 1)), values, otherwise)
