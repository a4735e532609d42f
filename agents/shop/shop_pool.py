"""Many shoppers in one shop, each with an environment of its own, so that one agent serves all."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym

from agents.shop.base import ShopObservation
from llmrec_env.envs.common.registration import SHOP_ID, register_environments
from llmrec_env.envs.shop.observations import ObservationBuilder
from llmrec_env.envs.shop.shop import Shop


@dataclass(frozen=True)
class Outcome:
    """What one action led to.

    Attributes:
        sight: what is seen now; reward: what the action earned.
        ended: whether the episode is over, success: with a reward of 1.
    """

    sight: ShopObservation
    reward: float
    ended: bool
    success: bool


class ShopPool:
    """Shoppers in one shop.

    Args:
        settings: arguments of the environment, as ``gym.make`` takes them, without ``observation``
            and ``action_mode``.
        observation, action_mode: the form that an agent asks for.
        size: how many shoppers.

    Attributes:
        shop: the shop that they share.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        observation: str = "features",
        action_mode: str = "index",
        size: int = 1,
    ) -> None:
        register_environments()
        self.envs: list[gym.Env[Any, Any]] = [
            gym.make(
                SHOP_ID,
                disable_env_checker=True,
                observation=observation,
                action_mode=action_mode,
                **settings,
            )
            for _ in range(size)
        ]
        self.shop: Shop = self.envs[0].unwrapped.shop  # type: ignore[attr-defined]
        self._observers: dict[str, ObservationBuilder] = {}

    def begin(self, row: int, goal: int) -> ShopObservation:
        """Start an episode of a shopper."""
        observation, info = self.envs[row].reset(options={"goal": goal})
        return ShopObservation.of(observation, info)

    def step(self, row: int, action: int | str) -> Outcome:
        """Let a shopper act."""
        observation, reward, terminated, truncated, info = self.envs[row].step(action)
        return Outcome(
            ShopObservation.of(observation, info),
            float(reward),
            terminated or truncated,
            info["success"],
        )

    def look(self, row: int, observation: str) -> ShopObservation:
        """What a shopper sees in another form, with the actions of the slate."""
        env: Any = self.envs[row].unwrapped
        if observation not in self._observers:
            limit = self.envs[row].spec.max_episode_steps  # type: ignore[union-attr]
            self._observers[observation] = ObservationBuilder(
                self.shop, observation, "index", env.play.max_actions, limit
            )
        shopper = copy(env.shopper)
        shopper.play = replace(env.play, action_mode="index")
        seen = self._observers[observation].observe(shopper)
        return ShopObservation(seen, shopper.choices, shopper.goal_index)
