"""``RulesBased``: the base class of single and vector environments."""

from __future__ import annotations

from typing import Any, Generic

import gymnasium as gym
from gymnasium.error import ResetNeeded

from llmrec_env.common.arrays import KeepsArrays
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.arguments import Arguments
from llmrec_env.envs.common.checks import check_limit, check_render_mode
from llmrec_env.envs.common.rendering import MODES, show
from llmrec_env.envs.common.rules import Infos, Observations, OutcomeT, Rules


class RulesBased(KeepsArrays, Arguments, Generic[OutcomeT]):
    """Rules over rows, observed, told of and drawn."""

    metadata: dict[str, Any] = {"render_modes": list(MODES), "render_fps": 4}  # noqa: RUF012
    rules: Rules[OutcomeT]
    render_mode: str | None

    @staticmethod
    def draw(rules: Any, row: int, outcome: Any) -> str:
        """A row as text; ``outcome`` is that of the last step, or None before it."""
        raise NotImplementedError

    def _set_up(
        self,
        rules: Rules[OutcomeT],
        observations: Observations,
        infos: Infos[OutcomeT],
        max_episode_steps: int | None,
        render_mode: str | None,
    ) -> None:
        self.rules = rules
        self._longest: int | None = None
        self.max_episode_steps = max_episode_steps
        self.render_mode = check_render_mode(render_mode)
        self._observations = observations
        self._infos = infos
        self._outcome: OutcomeT | None = None
        self._started = False

    @property
    def max_episode_steps(self) -> int | None:
        """Steps after which an episode is cut and of which "steps left" is a share, or None."""
        return self.rules.limit

    @max_episode_steps.setter
    def max_episode_steps(self, limit: int | None) -> None:
        limit = check_limit(limit)
        if self._longest is not None and (limit is None or limit > self._longest):
            raise SettingError(
                f"gym.make cuts the episodes after {self._longest} steps: max_episode_steps can be "
                f"set to less, and to more in gym.make(..., max_episode_steps={limit or -1})"
            )
        self.rules.limit = limit

    @property
    def outcome(self) -> OutcomeT | None:
        """What the last step brought to the rows, for wrappers; None before it."""
        return self._outcome

    def cut_outside(self, limit: int | None) -> None:
        """Take over the limit of a ``TimeLimit`` around, which no later setting can exceed."""
        self._longest = None
        self.max_episode_steps = limit
        self._longest = limit

    def _texts(self) -> tuple[str, ...] | None:
        """One text a row with ``render_mode="ansi"``; printed with ``"human"``."""
        self._check_started("render")
        if self.render_mode is None:
            gym.logger.warn(
                'render() shows nothing: pass render_mode="ansi" or "human" to gym.make'
            )
            return None
        rows = range(self.rules.num_rows)
        texts = tuple(self.draw(self.rules, row, self._outcome) for row in rows)
        if self.render_mode == "ansi":
            return texts
        show("\n".join(texts))
        return None

    def _check_started(self, method: str) -> None:
        if not self._started:
            raise ResetNeeded(f"{method}() before reset(): call reset() first")

    def _show(self) -> None:
        if self.render_mode == "human":
            self._texts()
