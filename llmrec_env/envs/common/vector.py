"""``RulesVectorEnv``: a Gymnasium vector environment made of the same rules with many rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray, read_only
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.base import RulesBased
from llmrec_env.envs.common.checks import (
    autoreset_metadata,
    check_autoreset,
    check_mask,
    check_options,
    check_per_row,
    check_seeds,
)
from llmrec_env.envs.common.infos import with_masks
from llmrec_env.envs.common.rules import Infos, Observations, OutcomeT, Rules


class RulesVectorEnv(RulesBased[OutcomeT], gym.vector.VectorEnv[Any, Any, NDArray[Any]]):
    """An environment of many rows.

    Row ``i``, seeded with ``s``, behaves like the single environment seeded with ``s + i``: each
    row has a generator of its own, which an auto-reset never seeds anew. ``autoreset`` says what
    happens to a row whose episode ended, on every gymnasium version:

    * ``"next_step"``: the next ``step`` ignores the row's action and returns the start of a new
      episode, reward 0.
    * ``"same_step"``: the same ``step`` already returns the start of a new episode; the last
      observation and info are in ``infos["final_obs"]`` and ``infos["final_info"]``. Gymnasium's
      vector wrappers know this mode from version 1.1 on. Those of 1.0 take every step for one of
      ``"next_step"``: ``RecordEpisodeStatistics`` counts wrong lengths there, and wrappers of
      observations leave ``final_obs`` as it was. Use ``"next_step"`` with them, or a newer version.
    * ``"disabled"``: the caller starts it with ``reset(options={"reset_mask": ...})``.

    Args:
        rules: with ``num_envs`` rows.
        observations: makes their observations.
        infos: writes their infos.
        max_episode_steps: steps after which an episode is cut; None sets no limit.
        autoreset: ``"next_step"``, ``"same_step"`` or ``"disabled"``.
        render_mode: ``"ansi"``, ``"human"`` or None.

    Attributes:
        playing: bool (num_envs,), the rows that took the last step; others began an episode.
        keeps_final_masks: whether ``final_masks`` is kept, for a wrapper that tells it.
        final_masks: bool (num_envs, number of actions), with ``"same_step"`` the action masks as
            they were when the last episodes ended; a copy costs time, so it is opt-in.

    Raises:
        SettingError: there is no such limit, auto-reset or render mode.
    """

    keeps_final_masks = False
    final_masks: BoolArray | None = None

    def __init__(
        self,
        rules: Rules[OutcomeT],
        observations: Observations,
        infos: Infos[OutcomeT],
        max_episode_steps: int | None = None,
        autoreset: str = "next_step",
        render_mode: str | None = None,
    ) -> None:
        self._set_up(rules, observations, infos, max_episode_steps, render_mode)
        self.num_envs = rules.num_rows
        self.autoreset = check_autoreset(autoreset)
        self.metadata = self.metadata | autoreset_metadata(autoreset)
        rules.generators, self._seeds = map(
            list, zip(*(seeding.np_random() for _ in range(self.num_envs)), strict=True)
        )
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)
        self._resting = np.zeros(self.num_envs, dtype=np.bool_)
        self.playing = ~self._ended
        self._everyone = read_only(np.ones(self.num_envs, dtype=np.bool_))
        self.single_observation_space = observations.space
        self.single_action_space = rules.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    @property
    def autoreset_mode(self) -> Any:
        """Gymnasium's name of ``autoreset``, as its own vector environments have it (1.1 and
        later); None before, where there is no such enum."""
        return self.metadata.get("autoreset_mode")

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generators of the rows."""
        return tuple(self.rules.generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds of the rows' generators."""
        return tuple(self._seeds)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every row.

        Args:
            seed: ``s`` seeds row ``i`` with ``s + i``; a sequence seeds each row with its own, None
                among them carries on with the row's generator.
            options: where to start, as the manual of the environment says: a sequence of one value
                or None a row. ``"reset_mask"``, bool (num_envs,): the rows to reset, the others
                stay as they are.

        Raises:
            DataError: there is no such start.
            SettingError: the seeds or the options do not fit the rows.
            ResetNeeded: the first reset leaves rows out.
        """
        option = self.rules.option
        options = check_options(options, option, "reset_mask")
        mask = check_mask(options.get("reset_mask"), self.num_envs)
        if not (self._started or mask.all()):
            raise ResetNeeded("the first reset() must start every row: leave out the reset_mask")
        rows = np.flatnonzero(mask)
        wanted = check_per_row(f"options[{option!r}]", options.get(option), self.num_envs)
        starts = self.rules.starts([wanted[row] for row in rows])
        self._seed(rows, check_seeds(seed, self.num_envs))
        self.rules.begin(rows, starts)
        self._ended = self._ended & ~mask
        self._started = True
        self._show()
        return self._observations.observe(), self._infos.infos(mask, mask, None)

    def step(self, actions: Any) -> tuple[Any, Float64Array, BoolArray, BoolArray, dict[str, Any]]:
        """Do an action in each row.

        Raises:
            ResetNeeded: not reset yet, or rows have ended and ``autoreset`` is ``"disabled"``.
            InvalidAction: the actions do not fit the rows, or one is no action.
        """
        starting = self._check_ended()
        self.playing = ~(starting | self._resting)
        outcome = self.rules.step(actions, self.playing)
        self._outcome = outcome
        terminated, truncated = outcome.terminated, self.playing & self.rules.over_limit()
        ended = self._ended = terminated | truncated
        final: dict[str, Any] = {}
        if self.autoreset == "same_step":
            starting = ended
            self._ended = np.zeros_like(ended)
            if ended.any():
                final = self._final(ended, outcome)
        if starting.any():
            self.rules.begin(np.flatnonzero(starting))
        self._show()
        infos = self._infos.infos(self._everyone, starting | self._resting, outcome) | final
        rewards = outcome.reward.astype(np.float64)
        return self._observations.observe(), rewards, terminated, truncated, infos

    @contextmanager
    def resting(self, rows: BoolArray) -> Iterator[None]:
        """Within it, the rows of bool (num_envs,) sit out a step: nothing becomes of their action,
        nothing is paid, no draw is made, and their infos tell of no step."""
        self._resting = rows
        try:
            yield
        finally:
            self._resting = np.zeros_like(rows)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute, once for each row, as ``SyncVectorEnv`` gives it."""
        return (getattr(self, name),) * self.num_envs

    def set_attr(self, name: str, values: Any) -> None:
        """Set a setting or an attribute for all rows at once; they are one environment.

        Args:
            name: such as ``"patience"``.
            values: a value, or a list or tuple that has the same one for each row.

        Raises:
            SettingError: there is no such attribute, it holds for good, or rows would differ.
        """
        if isinstance(values, (list, tuple)):
            if len(values) != self.num_envs or any(value != values[0] for value in values):
                raise SettingError(
                    f"the {self.num_envs} rows are one environment: set {name!r} to one value"
                )
            values = values[0]
        self.set_wrapper_attr(name, values)

    def action_masks(self) -> BoolArray:
        """Bool (num_envs, number of actions), true where one makes sense.

        Raises:
            ResetNeeded: not reset yet.
        """
        self._check_started("action_masks")
        return self.rules.action_masks()

    def render(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """One text a row with ``render_mode="ansi"``; printed with ``"human"``."""
        return self._texts()

    def _check_ended(self) -> BoolArray:
        """The rows that start a new episode in this step, from those that ended in the last."""
        self._check_started("step")
        if self.autoreset == "disabled" and self._ended.any():
            raise ResetNeeded(
                f"the episodes of rows {np.flatnonzero(self._ended).tolist()} have ended: "
                'call reset(options={"reset_mask": mask}) with autoreset="disabled"'
            )
        return self._ended

    def _final(self, ended: BoolArray, outcome: OutcomeT) -> dict[str, Any]:
        """What the episodes that have just ended came to."""
        if self.keeps_final_masks:
            self.final_masks = self.rules.action_masks()
        final = with_masks({"final_obs": self._observations.observe()}, ended)
        told = self._infos.infos(ended, np.zeros_like(ended), outcome)
        return final | {"final_info": told, "_final_info": ended}

    def _seed(self, rows: IntArray, seeds: Sequence[int | None]) -> None:
        """New generators for the rows that are given a seed; the others carry on with theirs."""
        for row in rows.tolist():
            if seeds[row] is not None:
                self.rules.generators[row], self._seeds[row] = seeding.np_random(seeds[row])
