"""``ShopPool``: many shop environments at once; and ``ShopAgent``, the interface of agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from llmrec_env.envs.common.registration import SHOP_ID, register_environments
from llmrec_env.envs.shop.reward import has_all_options
from llmrec_env.envs.shop.session import Session
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.shopper import Shopper
from llmrec_env.envs.shop.views.observations import PROMPT, ObservationBuilder
from llmrec_env.envs.shop.views.prompt import PROMPT_TOKENS, PromptView


@dataclass(frozen=True, eq=False)
class ShopObservation:
    """What one shopper sees, and what it may do.

    Attributes:
        content: what the environment shows, in the form that the agent reads.
        actions: the valid actions, as texts; on the index page the three suggested searches.
        goal_index: which of the environment's goals it is. Nobody but an oracle may use it.
        idle: those of the actions that would change nothing, such as a value of an option that is
            chosen already.
    """

    content: Any
    actions: tuple[str, ...]
    goal_index: int
    idle: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, content: Any, info: Mapping[str, Any], idle: frozenset[str] = frozenset()
    ) -> ShopObservation:
        """What the environment's ``reset`` and ``step`` return."""
        return cls(content, info["valid_actions"], info["goal_index"], idle)


class ShopAgent(Protocol):
    """Anything that shops.

    Attributes:
        observation: the form it reads, as ``gym.make("LLMRec/Shop-v0", observation=...)`` takes it.
        action_mode: ``"index"`` (places among the valid actions) or ``"text"``.

    One that reads ``"prompt"`` may have a ``view`` too: the arguments ``prompt_tokens`` and
    ``pieces`` of the environment, so that pages are cut to its own tokens; see :func:`as_read_by`.
    """

    observation: str
    action_mode: str

    def act(
        self, observations: Sequence[ShopObservation], rng: np.random.Generator | None = None
    ) -> Sequence[int | str]:
        """One action for each observation.

        Args:
            observations: what the shoppers see.
            rng: draws the actions of an agent that has probabilities; None takes the likeliest.
        """
        ...


@dataclass(frozen=True)
class Outcome:
    """What one action led to.

    Attributes:
        observation: what is seen now; reward: what the action earned.
        ended: whether the episode is over, success: with a reward of 1.
    """

    observation: ShopObservation
    reward: float
    ended: bool
    success: bool


def as_read_by(agent: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the environment, pages cut as the agent reads them."""
    return {**settings, **getattr(agent, "view", {})}


def shop_of(settings: Mapping[str, Any]) -> Shop:
    """The shop of an environment with these arguments."""
    return ShopPool(settings, "url", "text").shop


class ShopPool:
    """Shoppers in one shop, each with an environment of its own.

    Args:
        settings: arguments of the environment, as ``gym.make`` takes them, without ``observation``
            and ``action_mode``.
        observation, action_mode: the form that an agent reads, and how it names actions.
        size: how many shoppers.

    Attributes:
        shop: the shop that they share.
        step_limit: actions that an episode has at most; None for any number.
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
        spec = self.envs[0].spec
        self.step_limit = None if spec is None else spec.max_episode_steps
        self._builders: dict[str, ObservationBuilder] = {}
        self._prompts = PromptView(
            settings.get("prompt_tokens", PROMPT_TOKENS), settings.get("pieces")
        )

    def begin(self, row: int, goal: int) -> ShopObservation:
        """Start an episode of a shopper."""
        return self._seen(row, *self.envs[row].reset(options={"goal": goal}))

    def begin_all(self, goals: Sequence[int]) -> dict[int, ShopObservation]:
        """Start an episode for each goal; the observations by row."""
        return {row: self.begin(row, goal) for row, goal in enumerate(goals)}

    def step(self, row: int, action: int | str) -> Outcome:
        """Let a shopper act."""
        content, reward, terminated, truncated, info = self.envs[row].step(action)
        return Outcome(
            self._seen(row, content, info), float(reward), terminated or truncated, info["success"]
        )

    def chose_options(self, row: int) -> bool | None:
        """Whether a shopper bought something with all options chosen that were asked for.

        None where the goal asks for none.
        """
        session = self._session(row)
        if not session.goal.options:
            return None
        return session.bought is not None and has_all_options(session.goal, session.bought)

    def look(self, row: int, observation: str) -> ShopObservation:
        """What a shopper sees in another form, with the actions in their slots."""
        env: Any = self.envs[row].unwrapped
        shopper = copy(env.shopper)
        shopper.action_settings = replace(env.action_settings, action_mode="index")
        if observation == PROMPT:
            content = self._prompts.text(shopper.session)
        else:
            left = float(env.rules.steps_left()[0])
            content = self._builder(observation, shopper).observe(shopper, left)
        return ShopObservation(content, shopper.choices, shopper.goal_index, shopper.session.idle())

    def _seen(self, row: int, content: Any, info: Mapping[str, Any]) -> ShopObservation:
        return ShopObservation.of(content, info, self._session(row).idle())

    def _session(self, row: int) -> Session:
        session: Session = self.envs[row].unwrapped.shopper.session  # type: ignore[attr-defined]
        return session

    def _builder(self, observation: str, shopper: Shopper) -> ObservationBuilder:
        if observation not in self._builders:
            slots = shopper.action_settings.max_actions
            self._builders[observation] = ObservationBuilder(self.shop, observation, "index", slots)
        return self._builders[observation]
