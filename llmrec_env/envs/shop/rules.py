"""The dynamics of the shop environment for N shoppers: actions, rewards, end of the episode.

A row is one shopper in one episode. :class:`ShopEnv` is these rules with one row,
:class:`ShopVectorEnv` with many. Pages are structures that all rows share, so a row is played on
its own; goals, steps and outcomes are arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.common.checks import check_whole
from llmrec_env.common.wording import shown
from llmrec_env.envs.common.checks import check_choices
from llmrec_env.envs.common.rules import Rules
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.shopper import ActionSettings, Shopper
from llmrec_env.envs.shop.views.observations import action_space

FIRST = [0]
"""The rows of a single environment."""


class Outcome(NamedTuple):
    """What one step brought to N rows.

    Attributes:
        reward: float64 (N,), what a purchase is worth, or less the penalty of an invalid action.
        terminated: bool (N,), whether something was bought.
    """

    reward: Float64Array
    terminated: BoolArray


class ShopRules(Rules[Outcome]):
    """N shoppers in one shop.

    Args:
        shop: where.
        action_settings: how actions are named, and what invalid ones cost.
        num_rows: how many shoppers, N.

    Attributes:
        shoppers: one a row.
        goal_indices: int64 (N,), which of the shop's goals each has.
        valid: bool (N,), whether the last action could be done, true before the first.
        effective: bool (N,), whether it changed anything, true before the first: a value that was
            chosen already can be clicked, and nothing changes.
        bought: bool (N,), whether something was bought; success: whether it earned 1.

    Raises:
        SettingError: there is less than one row.
    """

    option = "goal"

    def __init__(self, shop: Shop, action_settings: ActionSettings, num_rows: int = 1) -> None:
        super().__init__(num_rows)
        self.shop = shop
        self.action_settings = action_settings
        self.by_number = action_settings.action_mode == "index"
        self.action_space: spaces.Space[Any] = (
            spaces.Discrete(action_settings.max_actions) if self.by_number else action_space(shop)
        )
        self.shoppers = [Shopper(shop, action_settings) for _ in range(num_rows)]
        self.goal_indices = np.zeros(num_rows, dtype=np.int64)
        self.bought, self.success = np.zeros((2, num_rows), dtype=np.bool_)
        self.valid, self.effective = np.ones((2, num_rows), dtype=np.bool_)

    def starts(self, wanted: Sequence[Any]) -> list[int | None]:
        """The indices of goals, checked; None where None.

        Raises:
            SettingError: there is no such goal.
        """
        return [self._check_goal(goal) for goal in wanted]

    def begin(self, rows: IntArray, starts: Sequence[int | None] | None = None) -> None:
        """Start new episodes in ``rows``.

        Args:
            rows: int64 (M,).
            starts: M indices of goals; where None, the row's generator draws the goal in proportion
                to the goals' weights.
        """
        goals = [None] * len(rows) if starts is None else starts
        for row, goal in zip(rows.tolist(), goals, strict=True):
            if goal is None:
                goal = self.shop.goal_set.draw(self.generators[row])
            self.goal_indices[row] = goal
            self.shoppers[row].begin(goal)
        for values in (self.steps, self.bought, self.success):
            values[rows] = 0
        self.valid[rows] = self.effective[rows] = True

    def step(self, actions: Any, playing: BoolArray) -> Outcome:
        """Do an action in each row of ``playing`` bool (N,).

        Args:
            actions: N texts, or in index mode integers (N,) in [0, max_actions).
            playing: the rows that act; the others do not change.

        Raises:
            InvalidAction: the actions do not fit the rows, or one is neither.
        """
        plays = FIRST if playing[0] else []
        rows: list[int] = plays if self.num_rows == 1 else playing.nonzero()[0].tolist()
        texts = self._texts(actions, rows)
        rewards, terminated = np.zeros(self.num_rows), np.zeros(self.num_rows, dtype=np.bool_)
        for row, text in zip(rows, texts, strict=True):
            session = self.shoppers[row].session
            self.steps[row] += 1
            page, options = session.page, session.options
            self.valid[row] = valid = text is not None and session.act(text)
            # a choice makes a new dictionary, and pages are shared
            changed = session.page is not page or session.options != options
            self.effective[row] = valid and changed
            if not valid:
                rewards[row] = 0.0 - self.action_settings.invalid_penalty  # 0, not -0, for none
            elif session.verdict is not None:
                rewards[row] = reward = session.verdict.reward
                terminated[row] = self.bought[row] = True
                self.success[row] = reward == 1.0
        return Outcome(rewards, terminated)

    def action_masks(self) -> BoolArray:
        """Bool (N, max_actions), true where a slot has an action."""
        taken = np.array([len(shopper.choices) for shopper in self.shoppers])
        masks: BoolArray = np.arange(self.action_settings.max_actions) < taken[:, None]
        return masks

    def _texts(self, actions: Any, rows: list[int]) -> list[str | None]:
        """The actions of ``rows`` as texts; None for a slot that is empty."""
        if self.by_number:
            slots = self.action_settings.max_actions
            numbers = check_choices(actions, self.num_rows, slots, "the number of an action")
            return [self.shoppers[row].in_slot(int(numbers[row])) for row in rows]
        listed = isinstance(actions, (list, tuple)) or (
            isinstance(actions, np.ndarray) and actions.ndim > 0
        )
        if not listed or len(actions) != self.num_rows:
            raise InvalidAction(
                f"expected {self.num_rows} actions, one a row, got {shown(actions)}"
            )
        texts = [actions[row] for row in rows]
        for text in texts:
            if not isinstance(text, str):
                raise InvalidAction(
                    "the action must be a text such as 'search[red shoes]' or 'click[buy now]', "
                    f"got {shown(text)}"
                )
        return texts

    def _check_goal(self, index: Any) -> int | None:
        """The index of a goal, or None."""
        if index is None:
            return None
        return check_whole("options['goal'] (--goal)", index, 0, len(self.shop.goals) - 1)
