"""``ShopEnvironment`` and ``RecommendEnvironment``: the loops of texts as OpenEnv takes them.

An environment is one session. All of a process share the catalogue, its index and the LE. They are
stepped on the server's event loop: a step takes less time than handing it to a thread would, and
what is shared is never used by two at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

from llmrec_env.common.extras import require
from llmrec_env.envs.language_agents.openenv.models import (
    RecommendObservation,
    RecommendState,
    ShopObservation,
    ShopState,
    TextAction,
    TextObservation,
)
from llmrec_env.envs.language_agents.recommend_loop import RecommendLoop
from llmrec_env.envs.language_agents.text_loops import TextLoop

require("openenv", "openenv")
from openenv.core.env_server.interfaces import Environment  # noqa: E402
from openenv.core.env_server.types import EnvironmentMetadata, State  # noqa: E402


class TextEnvironment(Environment):
    """What both have in common.

    Args:
        seeds: the next one is that of the session's draws; where None, they are those of seed 0.
        settings: of the loop.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True
    name = description = ""
    observation_class: ClassVar[type[TextObservation]]
    state_class: ClassVar[type[State]]

    def __init__(self, seeds: Iterator[int] | None = None, **settings: Any) -> None:
        super().__init__()
        self._seeds, self._settings = seeds, settings
        self._state = self.state_class()

    @property
    def state(self) -> State:
        """Where the episode stands."""
        return self._state

    @property
    def _arguments(self) -> dict[str, Any]:
        """Of the loop, which is made at the first reset, on the event loop too."""
        return (
            self._settings if self._seeds is None else self._settings | {"seed": next(self._seeds)}
        )

    async def reset_async(
        self, seed: int | None = None, episode_id: str | None = None, **row: Any
    ) -> TextObservation:
        """As :meth:`reset`."""
        return self.reset(seed, episode_id, **row)

    async def step_async(
        self, action: TextAction, timeout_s: float | None = None, **more: Any
    ) -> TextObservation:
        """As :meth:`step`."""
        return self.step(action)

    def get_metadata(self) -> EnvironmentMetadata:
        """Name and description."""
        return EnvironmentMetadata(name=self.name, description=self.description)


class ShopEnvironment(TextEnvironment):
    """One shopper; the settings are those of
    :class:`~llmrec_env.envs.language_agents.text_loops.TextLoop`."""

    name = "llmrec_shop"
    description = "Shop for an instruction in a web shop of text pages"
    observation_class, state_class = ShopObservation, ShopState

    @cached_property
    def _loop(self) -> TextLoop:
        return TextLoop(**self._arguments)

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        goal: int | None = None,
        **row: Any,
    ) -> ShopObservation:
        """Start an episode.

        Args:
            seed: of the draw of the goal; None carries on.
            episode_id: kept in the state.
            goal: index of the goal, in place of a drawn one.
            row: not read.

        Raises:
            SettingError: there is no such goal.
        """
        text, info = self._loop.reset(seed, goal)
        self._state = ShopState(episode_id=episode_id, goal=info["goal_index"])
        return _shop_observation(text, info, manual=self._loop.manual)

    def step(
        self, action: TextAction, timeout_s: float | None = None, **more: Any
    ) -> ShopObservation:
        """Do what an answer names.

        Raises:
            ResetNeeded: no episode is going on.
        """
        text, reward, terminated, truncated, info = self._loop.step(action.text)
        self._state.step_count += 1
        self._state.success = info["success"]
        return _shop_observation(
            text, info, reward=reward, done=terminated or truncated, truncated=truncated
        )


class RecommendEnvironment(TextEnvironment):
    """One user to recommend to; the settings are those of
    :class:`~llmrec_env.envs.language_agents.recommend_loop.RecommendLoop`."""

    name = "llmrec_recommend"
    description = "Recommend to a simulated user: search, look at items, recommend"
    observation_class, state_class = RecommendObservation, RecommendState

    @cached_property
    def _loop(self) -> RecommendLoop:
        return RecommendLoop(**self._arguments)

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        user_id: str | None = None,
        **row: Any,
    ) -> RecommendObservation:
        """Let a user come.

        Args:
            seed: the user's, and of their luck; the next one of this session where None.
            episode_id: kept in the state.
            user_id: who, in place of a drawn one.
            row: not read.

        Raises:
            SettingError: there is no such user.
        """
        text, info = self._loop.reset(seed, user_id)
        self._state = RecommendState(episode_id=episode_id, user_id=info["user_id"])
        return _recommend_observation(text, info, manual=self._loop.manual)

    def step(
        self, action: TextAction, timeout_s: float | None = None, **more: Any
    ) -> RecommendObservation:
        """Do what an answer names.

        Raises:
            ResetNeeded: no episode is going on.
        """
        text, reward, terminated, truncated, info = self._loop.step(action.text)
        self._state.step_count += 1
        self._state.shown += info["tool"] == "recommend"
        self._state.taken += bool(info["accepted"])
        return _recommend_observation(
            text, info, reward=reward, done=terminated or truncated, truncated=truncated
        )


def _shop_observation(text: str, info: dict[str, Any], **more: Any) -> ShopObservation:
    names = ("instruction", "can_search", "success")
    return ShopObservation(
        valid_actions=list(info["valid_actions"]),
        parts=info["rewards"],
        **{name: info[name] for name in names},
        **_of_action(text, info),
        **more,
    )


def _recommend_observation(text: str, info: dict[str, Any], **more: Any) -> RecommendObservation:
    return RecommendObservation(
        user_id=info["user_id"],
        hits=list(info["hits"]),
        shown=info["item_id"],
        taken=info["accepted"],
        **_of_action(text, info),
        **more,
    )


def _of_action(text: str, info: dict[str, Any]) -> dict[str, Any]:
    names = ("action", "action_is_valid", "action_is_effective")
    return {"text": text, **{name: info[name] for name in names}}
