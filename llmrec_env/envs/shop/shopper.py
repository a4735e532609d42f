"""``Shopper``: one row of the shop environment, a session and its numbered action slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.checks import check_number, check_whole
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.shop.pages import action_slots
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.shop import Shop

MODES = ("text", "index")
SLOTS = 20, 100_000
"""Slots for actions: at least so many that every button has one."""


@dataclass(frozen=True)
class ActionSettings:
    """How actions are named, and what invalid ones cost.

    Attributes:
        action_mode: ``"text"`` or ``"index"``.
        max_actions: slots for actions, at least 20.
        invalid_penalty: taken from the reward at an invalid action, at least 0.

    Raises:
        SettingError: one of them is something else.
    """

    action_mode: str = "text"
    max_actions: int = 100
    invalid_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_name("action_mode", self.action_mode, MODES)
        check_whole("max_actions", self.max_actions, *SLOTS)
        check_number("invalid_penalty", self.invalid_penalty, 0.0)


class Shopper:
    """Plays episodes in a shop.

    Args:
        shop: where.
        action_settings: how actions are named.

    Attributes:
        session: the episode that goes on.
        goal_index: which of the shop's goals it has.
    """

    def __init__(self, shop: Shop, action_settings: ActionSettings) -> None:
        self.shop = shop
        self.action_settings = action_settings
        self.session = Session(shop.pages, shop.rule)
        self.goal_index = -1

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.session.carry_on(self.shop.pages, self.shop.rule)

    def begin(self, goal_index: int) -> None:
        """Start an episode with a goal of the shop's."""
        self.goal_index = goal_index
        self.session.begin(self.shop.goals[goal_index])

    @property
    def choices(self) -> tuple[str, ...]:
        """The valid actions; in index mode those of the slots, an action's number is its slot."""
        if self.action_settings.action_mode == "text":
            return self.session.page.valid
        return action_slots(
            self.session.page, self.session.goal.instruction, self.action_settings.max_actions
        )

    def in_slot(self, number: int) -> str | None:
        """The action of a slot; None where it is empty."""
        choices = self.choices
        return choices[number] if number < len(choices) else None

    def mask(self) -> NDArray[np.int8]:
        """The slots that are taken, int8 (max_actions,)."""
        mask = np.zeros(self.action_settings.max_actions, dtype=np.int8)
        mask[: len(self.choices)] = 1
        return mask
