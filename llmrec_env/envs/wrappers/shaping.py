"""``RewardTerm`` and the wrappers that add one to a reward, single and batched.

A term is written once, over N rows; :class:`ShapedReward` asks it about one row and
:class:`VectorShapedReward` about many. Both keep the reward that the environment paid in
``info["original_reward"]``, and tell what each term adds in ``info["rewards"]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.single import FIRST, PLAYING
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes
from llmrec_env.envs.wrappers.episodes import Episodes
from llmrec_env.envs.wrappers.telling import told

ORIGINAL = "original_reward"


class Outcome(Protocol):
    """What wrappers read of what a step brought to N rows, whatever shows the items.

    Attributes:
        items: int64 (N,), the item that the user saw; of a slate, the one looked at.
        reward: (N,), what was paid for it.
        accepted: bool (N,), whether it was taken.
        terminated: bool (N,), whether the user left, or has seen every item.
    """

    @property
    def items(self) -> IntArray: ...
    @property
    def reward(self) -> NDArray[np.floating[Any]]: ...
    @property
    def accepted(self) -> BoolArray: ...
    @property
    def terminated(self) -> BoolArray: ...


def looked_at(outcome: Outcome) -> BoolArray:
    """Who saw the item, bool (N,): a slate may be passed over."""
    places = getattr(outcome, "places", None)
    return np.ones_like(outcome.accepted) if places is None else places >= 0


class RewardTerm(ABC):
    """What is added to the rewards of N rows.

    Attributes:
        names: what its parts are called in ``info["rewards"]``.
    """

    names: ClassVar[tuple[str, ...]]

    @abstractmethod
    def begin(self, rows: IntArray) -> None:
        """New episodes in ``rows``, int64 (M,): what is remembered of the old ones is void."""

    @abstractmethod
    def pay(self, outcome: Outcome, playing: BoolArray) -> dict[str, NDArray[Any]]:
        """What a step adds, by name, floats (N,) each, weighted; 0 in rows that do not play.

        Args:
            outcome: what the step brought.
            playing: bool (N,), the rows that took a step.
        """


class ShapedReward(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Adds a term to the reward of an environment of ours."""

    def __init__(self, env: gym.Env[Any, Any], term: RewardTerm) -> None:
        super().__init__(env)
        self._term = term

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode, as the environment does."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._term.begin(FIRST)
        return observation, _told(info, 0.0, dict.fromkeys(self._term.names, 0.0))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Do an action; the reward is the environment's and the term's."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        paid = self._term.pay(self.env.unwrapped.outcome, PLAYING)  # type: ignore[attr-defined]
        terms = {name: float(values[0]) for name, values in paid.items()}
        total = float(reward) + sum(terms.values())
        return observation, total, terminated, truncated, _told(info, float(reward), terms)


class VectorShapedReward(gym.vector.VectorWrapper, gym.utils.RecordConstructorArgs):
    """Adds a term to the rewards of a batched environment of ours."""

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any], term: RewardTerm) -> None:
        super().__init__(env)
        self._term = term
        self._episodes = Episodes(env)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the episodes, as the environment does."""
        observations, infos = self.env.reset(seed=seed, options=options)
        rows = self._episodes.reset(options)
        self._term.begin(np.flatnonzero(rows))
        nothing = np.zeros(self.num_envs)
        columns = {ORIGINAL: nothing, "rewards": dict.fromkeys(self._term.names, nothing)}
        return observations, told(infos, columns, rows, rows)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Do the actions; the rewards are the environment's and the term's."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        playing, starting = self._episodes.step(terminated | truncated)
        terms = self._term.pay(self.env.unwrapped.outcome, playing)
        if starting.any():
            self._term.begin(np.flatnonzero(starting))
        columns = {ORIGINAL: rewards, "rewards": terms}
        infos = told(infos, columns, np.ones_like(starting), starting)
        return observations, rewards + sum(terms.values()), terminated, truncated, infos


def rules_of(env: Any) -> UsersInEpisodes[Any]:
    """The rules of an environment of ours whose users are shown items, single or batched.

    Raises:
        SettingError: it is another.
    """
    rules = getattr(env.unwrapped, "rules", None)
    if not isinstance(rules, UsersInEpisodes):
        raise SettingError(
            f"{env} is no environment whose users are shown items, such as LLMRec/NextItem-v1, "
            "LLMRec/TrueTaste-v1 and LLMRec/Slate-v0, or runs several side by side"
        )
    return rules


def _told(info: dict[str, Any], reward: float, terms: dict[str, float]) -> dict[str, Any]:
    """The info of one row, with the terms and the reward that the environment itself paid."""
    rewards = info.get("rewards", {}) | terms
    return {ORIGINAL: reward} | info | {"rewards": rewards}
