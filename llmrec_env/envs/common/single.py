"""``RulesEnv``: a ``gymnasium.Env`` made of an environment's rules with one row."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from llmrec_env.common.arrays import BoolArray
from llmrec_env.envs.common.base import RulesBased
from llmrec_env.envs.common.checks import check_options, check_seed
from llmrec_env.envs.common.rules import Infos, Observations, OutcomeT, Rules

FIRST = np.zeros(1, dtype=np.int64)
PLAYING = np.ones(1, dtype=np.bool_)


class RulesEnv(RulesBased[OutcomeT], gym.Env[Any, Any]):
    """An environment of one row.

    Args:
        rules: with one row.
        observations: makes its observations.
        infos: writes its infos.
        max_episode_steps: steps after which an episode is cut; None sets no limit.
        render_mode: ``"ansi"``, ``"human"`` or None.

    Raises:
        SettingError: there is no such limit or render mode.
    """

    def __init__(
        self,
        rules: Rules[OutcomeT],
        observations: Observations,
        infos: Infos[OutcomeT],
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self._set_up(rules, observations, infos, max_episode_steps, render_mode)
        self._playing = False
        self.observation_space = observations.space
        self.action_space = rules.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds the environment's generator; None carries on with it.
            options: where to start, as the manual of the environment says.

        Raises:
            DataError: there is no such start.
            SettingError: an option has another name, or no such value.
        """
        option = self.rules.option
        starts = self.rules.starts([check_options(options, option).get(option)])
        super().reset(seed=check_seed(seed))
        self.rules.generators = [self.np_random]
        self.rules.begin(FIRST, starts)
        self._outcome = None
        self._playing = self._started = True
        self._show()
        return self._observations.observe_first(), self._infos.first_info(None)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Do an action.

        Raises:
            ResetNeeded: no episode is going on.
            InvalidAction: it is no action.
        """
        if not self._playing:
            raise ResetNeeded("no episode is going on: call reset() first, and after termination")
        self.rules.generators = [self.np_random]  # whoever set another is heard at once
        outcome = self.rules.step([action], PLAYING)
        self._outcome = outcome
        terminated, truncated = bool(outcome.terminated[0]), self.rules.first_over_limit()
        if terminated:
            self._playing = False
        self._show()
        seen, info = self._observations.observe_first(), self._infos.first_info(outcome)
        return seen, float(outcome.reward[0]), terminated, truncated, info

    def action_masks(self) -> BoolArray:
        """Bool (number of actions,), true where one makes sense (sb3-contrib's name for it).

        Raises:
            ResetNeeded: not reset yet.
        """
        self._check_started("action_masks")
        mask: BoolArray = self.rules.action_masks()[0]
        return mask

    def render(self) -> str | None:  # type: ignore[override]
        """The row as text with ``render_mode="ansi"``; printed with ``"human"``."""
        texts = self._texts()
        return None if texts is None else texts[0]
