"""Recommend the next item to many simulated users at once: ``gym.make_vec(id, num_envs=64)``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.checks import (
    autoreset_metadata,
    check_actions,
    check_autoreset,
    check_limit,
    check_mask,
    check_options,
    check_per_row,
    check_render_mode,
    check_seeds,
)
from llmrec_env.envs.next_item import rendering
from llmrec_env.envs.next_item.infos import InfoBuilder, with_masks
from llmrec_env.envs.next_item.observations import Observation, ObservationBuilder
from llmrec_env.envs.next_item.rules import NextItemRules, Outcome
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.users.base import UserSimulator


class NextItemVectorEnv(gym.vector.VectorEnv[Observation, IntArray, NDArray[Any]]):
    """:class:`NextItemEnv` for many users at once: the simulator answers all of them in one batch.

    ## Description
    Row `i`, seeded with `s`, behaves like the single environment seeded with `s + i`: each row has
    a generator of its own, which an auto-reset never seeds anew. Actions, observations, starting
    state and rewards are those of :class:`NextItemEnv`, in arrays of `num_envs` rows.

    ## Episode End
    `autoreset` says what happens to a row whose episode ended, on every gymnasium version:

    * `"next_step"`: the next `step` ignores the row's action and returns the opening of a new
      episode, reward 0.
    * `"same_step"`: the same `step` already returns the opening of a new episode; the last
      observation is in `infos["final_obs"]`, what the step brought in `infos["final_info"]`.
    * `"disabled"`: the caller resets with `reset(options={"reset_mask": ...})`, bool `(num_envs,)`.

    `metadata["autoreset_mode"]` says it too where gymnasium has the enum (1.1 and later).

    ## Information
    As :class:`NextItemEnv`, in arrays of `num_envs` rows with Gymnasium's masks: the value of a row
    under `key` holds where `infos["_key"]` is true. `action_mask`, int8 `(num_envs, n_items)`, is
    there with `action_mask=True` only; `action_masks()` always answers. There is no `seen`.

    ## Arguments
    As :class:`NextItemEnv`, and `num_envs`, `max_episode_steps` (`gym.make_vec` passes the one of
    the specification, 50; None sets no limit) and `autoreset`. `reset(options={"user_id": ...})`
    takes a sequence of `num_envs` external ids, None where the row draws its user.

    ```python
    import gymnasium as gym, llmrec_env
    envs = gym.make_vec("LLMRec/NextItem-v0", num_envs=64, autoreset="same_step")
    ```

    ## Version History
    * v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": list(rendering.MODES), "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        autoreset: str = "next_step",
        simulator: UserSimulator | str | os.PathLike[str] | None = None,
        users: InteractionLog | None = None,
        observation: str = "state",
        reward_on: str = "shown",
        patience: int = 5,
        accept_rate: float | None = None,
        history_length: int = 50,
        action_mask: bool | None = None,
        render_mode: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
    ) -> None:
        self.num_envs = num_envs
        self.max_episode_steps = check_limit(max_episode_steps)
        self.autoreset = check_autoreset(autoreset)
        self.metadata = self.metadata | autoreset_metadata(autoreset)
        self.render_mode = check_render_mode(render_mode)
        self.simulator = resolve_simulator(simulator, users, accept_rate, device, dtype)
        self.rules = NextItemRules(self.simulator, num_envs, patience, reward_on, history_length)
        self._observation_builder = ObservationBuilder(
            self.rules, observation, self.max_episode_steps
        )
        self._info_builder = InfoBuilder(self.rules, bool(action_mask))
        self.rules.generators, self._seeds = map(
            list, zip(*(seeding.np_random() for _ in range(num_envs)), strict=True)
        )
        self._started = False
        self._ended = np.zeros(num_envs, dtype=np.bool_)
        self._everyone = np.ones(num_envs, dtype=np.bool_)
        self._last: tuple[IntArray, Outcome] | None = None
        self.single_observation_space = self._observation_builder.space
        self.single_action_space = gym.spaces.Discrete(self.n_items)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @property
    def n_items(self) -> int:
        """Number of items that can be shown."""
        return self.rules.n_items

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
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every row.

        Args:
            seed: ``s`` seeds row ``i`` with ``s + i``; a sequence seeds each row with its own, None
                among them carries on with the row's generator.
            options: ``"user_id"``, a sequence of num_envs external ids or None; ``"reset_mask"``,
                bool (num_envs,), the rows to reset, others stay as they are.

        Raises:
            DataError: a user is unknown or has too few interactions.
            SettingError: the seeds or the options do not fit the rows.
        """
        options = check_options(options, "user_id", "reset_mask")
        mask = check_mask(options.get("reset_mask"), self.num_envs)
        if not (self._started or mask.all()):
            raise ResetNeeded("the first reset() must start every row: leave out the reset_mask")
        rows = np.flatnonzero(mask)
        user_ids = check_per_row("options['user_id']", options.get("user_id"), self.num_envs)
        self._seed(rows, check_seeds(seed, self.num_envs))
        self.rules.begin(rows, [user_ids[row] for row in rows])
        self._ended = self._ended & ~mask
        self._started = True
        self._show()
        return self._observation_builder.observe(), with_masks(
            self._info_builder.user_columns(), mask
        )

    def step(
        self, actions: IntArray
    ) -> tuple[Observation, Float64Array, BoolArray, BoolArray, dict[str, Any]]:
        """Show an item to the user of each row.

        Raises:
            ResetNeeded: not reset yet, or rows have ended and ``autoreset`` is ``"disabled"``.
            InvalidAction: an action is not an item.
        """
        starting = self._check_ended()
        actions = check_actions(actions, self.num_envs, self.n_items)
        outcome = self.rules.step(actions, ~starting)
        self._last = actions, outcome
        terminations = outcome.left
        truncations = ~starting & self._over_limit()
        self._ended = terminations | truncations
        if self.autoreset == "same_step":
            observation, infos = self._begin_at_once()
        else:
            observation, infos = self._begin_late(starting)
        self._show()
        rewards = outcome.rewards[self.rules.reward_on].astype(np.float64)
        return observation, rewards, terminations, truncations, infos

    def action_masks(self) -> BoolArray:
        """Bool (num_envs, n_items), true where the user has not seen the item."""
        return self.rules.seen.unseen_masks()

    def render(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """One text a row with ``render_mode="ansi"``; printed with ``"human"``."""
        if self.render_mode is None:
            gym.logger.warn('render() shows nothing: pass render_mode="ansi" or "human"')
            return None
        texts = tuple(
            rendering.draw(self.rules, row, self._last, self.max_episode_steps)
            for row in range(self.num_envs)
        )
        if self.render_mode == "ansi":
            return texts
        rendering.show("\n".join(texts))
        return None

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def _over_limit(self) -> BoolArray:
        if self.max_episode_steps is None:
            return np.zeros(self.num_envs, dtype=np.bool_)
        return self.rules.steps >= self.max_episode_steps

    def _check_ended(self) -> BoolArray:
        """The rows that start a new episode in this step, from those that ended in the last."""
        if not self._started:
            raise ResetNeeded("step() before reset(): call reset() first")
        if self.autoreset == "disabled" and self._ended.any():
            raise ResetNeeded(
                f"the episodes of rows {np.flatnonzero(self._ended).tolist()} have ended: "
                'call reset(options={"reset_mask": mask}) with autoreset="disabled"'
            )
        return self._ended

    def _begin_late(self, starting: BoolArray) -> tuple[Observation, dict[str, Any]]:
        """Open the rows that ended one step earlier."""
        if starting.any():
            self.rules.begin(np.flatnonzero(starting))
        infos = self._step_infos(~starting) | self._user_infos(self._everyone)
        return self._observation_builder.observe(), infos

    def _begin_at_once(self) -> tuple[Observation, dict[str, Any]]:
        """Open the rows that have just ended, and keep what they ended with."""
        ended, observation = self._ended, self._observation_builder.observe()
        self._ended = np.zeros_like(ended)
        infos = self._step_infos(~ended)
        if ended.any():
            infos |= with_masks({"final_obs": observation}, ended)
            infos["final_info"] = self._step_infos(ended) | self._user_infos(ended)
            infos["_final_info"] = ended
            self.rules.begin(np.flatnonzero(ended))
            observation = self._observation_builder.observe()
        return observation, infos | self._user_infos(self._everyone)

    def _step_infos(self, rows: BoolArray) -> dict[str, Any]:
        assert self._last is not None
        return with_masks(self._info_builder.step_columns(*self._last), rows)

    def _user_infos(self, rows: BoolArray) -> dict[str, Any]:
        return with_masks(self._info_builder.user_columns(), rows)

    def _seed(self, rows: IntArray, seeds: Sequence[int | None]) -> None:
        """New generators for the rows that are given a seed; the others carry on with theirs."""
        for row in rows:
            if seeds[row] is not None:
                self.rules.generators[row], self._seeds[row] = seeding.np_random(seeds[row])
