"""``ShopEpisode``: one episode of the shop environment, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.shop.rollouts import Rollout
from agents.shop.shop_pool import ShopPool
from llmrec_env.envs.shop.session import Session
from llmrec_env.web.shop.view import PageView, page_view


@dataclass(frozen=True)
class Bought:
    """What a purchase was, and what its reward is made of.

    Attributes:
        name, asin, price: of the product, in dollars.
        options: the values that were chosen, by option.
        parts: the terms of the reward by name, each in [0, 1].
    """

    name: str
    asin: str
    price: float
    options: dict[str, str]
    parts: dict[str, float]


class ShopEpisode:
    """An episode of one shopper, in an environment of its own.

    Args:
        settings: arguments of ``gym.make("LLMRec/Shop-v0", ...)``, without ``observation`` and
            ``action_mode``.
        goal: index of a goal of the split; None draws one.

    Attributes:
        goal: index of the goal.
        actions: what was done so far, as texts.
        earned: the sum of the rewards; success: whether a purchase earned 1.
        ended: whether something was bought, or the steps ran out.
        bought: what was bought; None before.
        valid: whether the last action could be done.
        step_limit: actions at most; None for any number.

    Raises:
        SettingError: there is no such goal.
    """

    def __init__(self, settings: Mapping[str, Any], goal: int | None = None) -> None:
        self._pool = ShopPool(settings, "url", "text")
        self._env: Any = self._pool.envs[0]
        options = None if goal is None else {"goal": goal}
        _, info = self._env.reset(options=options)
        self.goal: int = info["goal_index"]
        self.step_limit = self._pool.step_limit
        self.actions: list[str] = []
        self.earned, self.success, self.ended, self.valid = 0.0, False, False, True
        self.bought: Bought | None = None

    @property
    def session(self) -> Session:
        """The session of the environment."""
        session: Session = self._env.unwrapped.shopper.session
        return session

    @property
    def instruction(self) -> str:
        """What is to be bought."""
        return self.session.goal.instruction

    @property
    def page(self) -> PageView:
        """What the shopper sees now."""
        return page_view(self._pool.shop, self.session)

    def act(self, action: str) -> None:
        """Do an action, such as ``search[red shoes]`` or ``click[buy now]``, in an episode that has
        not ended; one that cannot be done costs a step all the same."""
        open_page = self.session.page
        purchase = self.session.purchase if open_page.is_item else None
        _, reward, terminated, truncated, info = self._env.step(action)
        self.actions.append(action)
        self.earned += float(reward)
        self.valid, self.success = info["action_is_valid"], info["success"]
        self.ended = terminated or truncated
        if terminated and purchase is not None:
            self.bought = Bought(
                purchase.product.name,
                purchase.product.asin,
                purchase.price,
                dict(purchase.options),
                dict(info["rewards"]),
            )

    @property
    def rollout(self) -> Rollout:
        """The episode so far, as agents learn from it."""
        return Rollout(self.goal, self.instruction, tuple(self.actions), self.earned, self.success)


def replayed(
    settings: Mapping[str, Any], rollout: Rollout, steps: int | None = None
) -> ShopEpisode:
    """An episode in which what a rollout did was done again.

    Args:
        settings: those of the environment in which it was made.
        rollout: what was done.
        steps: how many of its actions; all where None.
    """
    episode = ShopEpisode(settings, rollout.goal)
    for action in rollout.actions[:steps]:
        if episode.ended:
            break
        episode.act(action)
    return episode
