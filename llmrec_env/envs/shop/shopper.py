"""One row of an environment: a session, its goal, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.error import InvalidAction
from numpy.typing import NDArray

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.pages import action_slots
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.shop import Shop

MODES = ("text", "index")


@dataclass(frozen=True)
class ActionSettings:
    """How actions are named, and what invalid ones cost.

    Attributes:
        action_mode: ``"text"`` or ``"index"``.
        max_actions: slots for actions.
        invalid_penalty: taken from the reward at an invalid action.
    """

    action_mode: str = "text"
    max_actions: int = 100
    invalid_penalty: float = 0.0

    def __post_init__(self) -> None:
        if self.action_mode not in MODES:
            raise SettingError(f"action_mode must be one of {MODES}, got {self.action_mode!r}")
        if self.max_actions < 20:
            raise SettingError(
                f"max_actions must be at least 20, so that every button has a place; "
                f"got {self.max_actions!r}"
            )
        if self.invalid_penalty < 0.0:
            raise SettingError(
                f"invalid_penalty is taken away: {self.invalid_penalty!r} is below 0"
            )


class Shopper:
    """Plays episodes in a shop.

    Args:
        shop: where.
        action_settings: how actions are named.

    Attributes:
        session: the episode that goes on.
        goal_index: which of the shop's goals it has.
        steps: actions so far.
        invalid: whether the last action was invalid.
    """

    def __init__(self, shop: Shop, action_settings: ActionSettings) -> None:
        self.shop = shop
        self.action_settings = action_settings
        self.session = Session(shop.pages, shop.rule)
        self.goal_index = -1
        self.steps = 0
        self.invalid = False

    def begin(self, rng: np.random.Generator, goal_index: int | None = None) -> None:
        """Start an episode, with a goal of the shop's or one that is drawn."""
        self.goal_index = self.shop.goal_set.draw(rng) if goal_index is None else goal_index
        self.session.begin(self.shop.goals[self.goal_index])
        self.steps, self.invalid = 0, False

    def act(self, action: Any) -> float:
        """Do an action; returns the reward.

        Raises:
            InvalidAction: it is no text, or no integer of a slot.
        """
        text = action
        if self.action_settings.action_mode == "index":
            text = self._in_slot(action)
        elif not isinstance(action, str):
            raise InvalidAction(
                "the action must be a text such as 'search[red shoes]' or 'click[buy now]', "
                f"got {action!r}"
            )
        self.steps += 1
        self.invalid = text is None or not self.session.act(text)
        if self.invalid:
            return -self.action_settings.invalid_penalty
        verdict = self.session.verdict
        return 0.0 if verdict is None else verdict.reward

    @property
    def choices(self) -> tuple[str, ...]:
        """The valid actions; in index mode those of the slots, an action's number is its slot."""
        if self.action_settings.action_mode == "text":
            return self.session.page.valid
        return action_slots(
            self.session.page, self.session.goal.instruction, self.action_settings.max_actions
        )

    def mask(self) -> NDArray[np.int8]:
        """The slots that are taken, int8 (max_actions,)."""
        mask = np.zeros(self.action_settings.max_actions, dtype=np.int8)
        mask[: len(self.choices)] = 1
        return mask

    def parts(self) -> Mapping[str, float] | None:
        """The terms of the reward, once something was bought."""
        verdict = self.session.verdict
        return None if verdict is None else verdict.parts

    def success(self) -> bool:
        """Whether the purchase earned 1."""
        verdict = self.session.verdict
        return verdict is not None and verdict.reward == 1.0

    def info(self) -> dict[str, Any]:
        """What ``info`` says of this row."""
        session, verdict = self.session, self.session.verdict
        info: dict[str, Any] = {
            "goal_index": self.goal_index,
            "valid_actions": self.choices,
            "can_search": session.can_search,
            "invalid_action": self.invalid,
            "success": verdict is not None and verdict.reward == 1.0,
        }
        if verdict is not None:
            info["rewards"] = dict(verdict.parts)
        if self.action_settings.action_mode == "index":
            info["action_mask"] = self.mask()
        return info

    def _in_slot(self, action: Any) -> str | None:
        array = np.asarray(action)
        if array.shape != () or array.dtype.kind not in "iu":
            raise InvalidAction(f"the action must be an integer, got {action!r}")
        if not 0 <= array < self.action_settings.max_actions:
            raise InvalidAction(
                f"actions must lie in [0, {self.action_settings.max_actions}), got {action!r}"
            )
        choices = self.choices
        return choices[int(array)] if array < len(choices) else None
