"""Many shoppers in one shop: ``gym.make_vec("LLMRec/Shop-v0", num_envs=64)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array
from llmrec_env.envs.common import rendering
from llmrec_env.envs.common.checks import (
    autoreset_metadata,
    check_autoreset,
    check_limit,
    check_mask,
    check_options,
    check_per_row,
    check_render_mode,
    check_seeds,
)
from llmrec_env.envs.shop.env import check_goal, draw
from llmrec_env.envs.shop.goals import Goal, GoalSet
from llmrec_env.envs.shop.inventory import CatalogueSource
from llmrec_env.envs.shop.reward import RewardRule
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.shopper import ActionSettings, Shopper
from llmrec_env.envs.shop.views.observations import TEXTS, ObservationBuilder, action_space


class ShopVectorEnv(gym.vector.VectorEnv[Any, Any, NDArray[Any]]):
    """:class:`llmrec_env.envs.shop.env.ShopEnv` for many shoppers, who share one shop.

    ## Description
    Row `i`, seeded with `s`, behaves like the single environment seeded with `s + i`: each row has
    a generator of its own, which an auto-reset never seeds anew.

    ## Action Space
    A sequence of `num_envs` texts, or int64 `(num_envs,)` in index mode.

    ## Observation Space
    That of the single environment, batched by Gymnasium: a tuple of texts, or a `Dict` whose arrays
    have `num_envs` rows.

    ## Episode End
    As in :class:`NextItemVectorEnv`: `autoreset` is `"next_step"`,
    `"same_step"` (what an episode ended with is in `infos["final_obs"]` and
    `infos["final_info"]`) or `"disabled"` (`reset(options={"reset_mask": ...})`).

    ## Information
    As the single environment, in arrays of `num_envs` rows with Gymnasium's masks: the value of a
    row under `key` holds where `infos["_key"]` is true. `rewards` is a dictionary of such arrays.

    ## Arguments
    As the single environment, and `num_envs`, `max_episode_steps` (`gym.make_vec` passes the one of
    the specification, 15; None sets no limit) and `autoreset`. `reset(options={"goal": ...})` takes
    a sequence of `num_envs` indices, None where the row draws its goal.

    ```python
    import gymnasium as gym, llmrec_env
    envs = gym.make_vec("LLMRec/Shop-v0", num_envs=64, autoreset="same_step")
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
        catalogue: CatalogueSource = None,
        instructions: str | GoalSet = "synthetic",
        reward: str | RewardRule = "repaired",
        split: str = "train",
        split_by: str = "product",
        goals_per_product: int | None = None,
        goal_seed: int = 0,
        observation: str = "text_rich",
        action_mode: str = "text",
        max_actions: int = 100,
        invalid_penalty: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        self.num_envs = num_envs
        self.max_episode_steps = check_limit(max_episode_steps)
        self.autoreset = check_autoreset(autoreset)
        self.metadata = self.metadata | autoreset_metadata(autoreset)
        self.render_mode = check_render_mode(render_mode)
        self.shop = Shop(
            catalogue, instructions, reward, goal_seed, split, split_by, goals_per_product
        )
        self.action_settings = ActionSettings(action_mode, max_actions, invalid_penalty)
        self.shoppers = [Shopper(self.shop, self.action_settings) for _ in range(num_envs)]
        self._observation_builder = ObservationBuilder(
            self.shop, observation, action_mode, max_actions, self.max_episode_steps
        )
        self._form = observation if observation in TEXTS else None
        self._rngs, self._seeds = map(
            list, zip(*(seeding.np_random() for _ in range(num_envs)), strict=True)
        )
        self._goal_indices = np.zeros(num_envs, dtype=np.int64)
        self._started = False
        self._ended = np.zeros(num_envs, dtype=np.bool_)
        self.single_observation_space = self._observation_builder.space
        self.single_action_space = (
            gym.spaces.Discrete(max_actions) if action_mode == "index" else action_space(self.shop)
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @property
    def goals(self) -> list[Goal]:
        """The goals of the split."""
        return self.shop.goals

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The generators of the rows."""
        return tuple(self._rngs)

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
            options: ``"goal"``, a sequence of num_envs indices or None; ``"reset_mask"``, bool
                (num_envs,), the rows to reset, others stay as they are.

        Raises:
            SettingError: the seeds or the options do not fit the rows.
        """
        options = check_options(options, "goal", "reset_mask")
        mask = check_mask(options.get("reset_mask"), self.num_envs)
        if not (self._started or mask.all()):
            raise ResetNeeded("the first reset() must start every row: leave out the reset_mask")
        goals = check_per_row("options['goal']", options.get("goal"), self.num_envs)
        indices = [check_goal(goal, len(self.goals)) for goal in goals]
        seeds = check_seeds(seed, self.num_envs)
        for row in np.flatnonzero(mask).tolist():
            if seeds[row] is not None:
                self._rngs[row], self._seeds[row] = seeding.np_random(seeds[row])
            self._begin(row, indices[row])
        self._ended &= ~mask
        self._started = True
        self._show()
        return self._observe(), self._infos(mask) | self._instructions(mask)

    def step(self, actions: Any) -> tuple[Any, Float64Array, BoolArray, BoolArray, dict[str, Any]]:
        """Do an action in each row.

        Raises:
            ResetNeeded: not reset yet, or rows have ended and ``autoreset`` is ``"disabled"``.
            InvalidAction: the actions do not fit the rows, or one is no action.
        """
        self._check(actions)
        starting, limit = self._ended, self.max_episode_steps
        rewards = np.zeros(self.num_envs)
        terminated, truncated = (np.zeros(self.num_envs, dtype=np.bool_) for _ in range(2))
        skipped = starting.tolist()
        for row, shopper in enumerate(self.shoppers):
            if skipped[row]:
                self._begin(row)
                continue
            reward = shopper.act(actions[row])
            if reward:
                rewards[row] = reward
            if shopper.session.verdict is not None:
                terminated[row] = True
            if limit is not None and shopper.steps >= limit:
                truncated[row] = True
        self._ended = terminated | truncated
        if self.autoreset == "same_step" and self._ended.any():
            observation, infos = self._begin_at_once()
        else:
            everyone = np.ones(self.num_envs, dtype=np.bool_)
            observation, infos = self._observe(), self._infos(everyone)
            if starting.any():
                infos |= self._instructions(starting)
        self._show()
        return observation, rewards, terminated, truncated, infos

    def action_masks(self) -> BoolArray:
        """Bool (num_envs, max_actions), true where a row's slot has an action."""
        return np.stack([shopper.mask() for shopper in self.shoppers]).view(np.bool_)

    def render(self) -> tuple[str, ...] | None:  # type: ignore[override]
        """One page a row with ``render_mode="ansi"``; printed with ``"human"``."""
        if self.render_mode is None:
            gym.logger.warn('render() shows nothing: pass render_mode="ansi" or "human"')
            return None
        texts = tuple(draw(shopper) for shopper in self.shoppers)
        if self.render_mode == "ansi":
            return texts
        rendering.show("\n".join(texts))
        return None

    def _show(self) -> None:
        if self.render_mode == "human":
            self.render()

    def _check(self, actions: Any) -> None:
        if not self._started:
            raise ResetNeeded("step() before reset(): call reset() first")
        if self.autoreset == "disabled" and self._ended.any():
            raise ResetNeeded(
                f"the episodes of rows {np.flatnonzero(self._ended).tolist()} have ended: "
                'call reset(options={"reset_mask": mask}) with autoreset="disabled"'
            )
        if isinstance(actions, str) or len(actions) != self.num_envs:
            raise InvalidAction(f"expected {self.num_envs} actions, one a row, got {actions!r}")

    def _begin(self, row: int, goal: int | None = None) -> None:
        """Start an episode in a row."""
        shopper = self.shoppers[row]
        shopper.begin(self._rngs[row], goal)
        self._goal_indices[row] = shopper.goal_index

    def _begin_at_once(self) -> tuple[Any, dict[str, Any]]:
        """Open the rows that have just ended, and keep what they ended with."""
        ended, last = self._ended, self._observe()
        final = {"final_obs": last, "_final_obs": ended, "_final_info": ended}
        final["final_info"] = self._infos(ended)
        for row in np.flatnonzero(ended).tolist():
            self._begin(row)
        self._ended = np.zeros_like(ended)
        everyone = np.ones(self.num_envs, dtype=np.bool_)
        return self._observe(), self._infos(everyone) | self._instructions(ended) | final

    def _observe(self) -> Any:
        if self._form is not None:
            return tuple([shopper.session.text(self._form) for shopper in self.shoppers])
        rows = [self._observation_builder.observe(shopper) for shopper in self.shoppers]
        space = self.single_observation_space
        return concatenate(space, rows, create_empty_array(space, self.num_envs))

    def _infos(self, rows: BoolArray) -> dict[str, Any]:
        """The columns of ``info``; values of rows that are not among ``rows`` do not hold."""
        pages = [shopper.session.page for shopper in self.shoppers]
        choices = (
            [page.valid for page in pages]
            if self.action_settings.action_mode == "text"
            else [shopper.choices for shopper in self.shoppers]
        )
        bought = np.array([page.is_done for page in pages])
        columns: dict[str, Any] = {
            "goal_index": self._goal_indices.copy(),
            "valid_actions": _objects(choices),
            "can_search": np.array([page.is_index for page in pages]),
            "invalid_action": np.array([shopper.invalid for shopper in self.shoppers]),
            "success": np.zeros(self.num_envs, dtype=np.bool_),
        }
        for row in np.flatnonzero(bought).tolist():
            columns["success"][row] = self.shoppers[row].success()
        if self.action_settings.action_mode == "index":
            columns["action_mask"] = np.stack([shopper.mask() for shopper in self.shoppers])
        infos = columns | {f"_{name}": rows for name in columns}
        bought &= rows
        if bought.any():
            infos["rewards"] = self._parts(bought)
            infos["_rewards"] = bought
        return infos

    def _parts(self, bought: BoolArray) -> dict[str, Any]:
        """The terms of the rewards, an array each with the mask of the rows that have it."""
        parts: dict[str, Any] = {}
        for row in np.flatnonzero(bought).tolist():
            for name, value in (self.shoppers[row].parts() or {}).items():
                if name not in parts:
                    parts[name] = np.zeros(self.num_envs)
                    parts[f"_{name}"] = np.zeros(self.num_envs, dtype=np.bool_)
                parts[name][row], parts[f"_{name}"][row] = value, True
        return parts

    def _instructions(self, rows: BoolArray) -> dict[str, Any]:
        texts = _objects([shopper.session.goal.instruction for shopper in self.shoppers])
        return {"instruction": texts, "_instruction": rows}


def _objects(values: list[Any]) -> NDArray[np.object_]:
    """Any objects, an element each: ``np.array`` would make a table of tuples of one length."""
    return np.fromiter(values, dtype=object, count=len(values))
