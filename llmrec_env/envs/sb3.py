"""Adapts the vector environments with users to stable-baselines3's ``VecEnv``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require
from llmrec_env.envs.common.checks import check_options
from llmrec_env.envs.common.infos import row_infos
from llmrec_env.envs.next_item.observations import Observation
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.envs.slate.vector_env import SlateVectorEnv

require("stable_baselines3", "sb3")
from stable_baselines3.common.vec_env import VecEnv, VecMonitor  # noqa: E402

Indices = int | Iterable[int] | None
Batched = gym.vector.VectorEnv[Any, Any, Any]
BY_ROW = ("action_masks", "render")
"""Methods of the batched environment that answer with one value a row."""


def make_vec_env(
    num_envs: int,
    seed: int | None = None,
    id: str = "LLMRec/NextItem-v1",
    wrappers: Sequence[Callable[[Batched], Batched]] = (),
    **kwargs: Any,
) -> VecMonitor:
    """One batched environment for stable-baselines3 and sb3-contrib's ``MaskablePPO``.

    Args:
        num_envs: users asked at once.
        seed: row ``i`` of the first ``reset`` is seeded with ``seed + i``.
        id: a registered id of this package.
        wrappers: put around the batched environment, the first innermost, such as
            ``VectorNoveltyReward`` of ``llmrec_env.envs.wrappers``.
        kwargs: keywords of the environment, and ``max_episode_steps``.

    Returns:
        A :class:`NextItemVecEnv` in a ``VecMonitor``, which adds the episodes' returns and lengths.
    """
    batched: Any = gym.make_vec(id, num_envs=num_envs, autoreset="same_step", **kwargs)
    for wrap in wrappers:
        batched = wrap(batched)
    env = NextItemVecEnv(batched)
    if seed is not None:
        env.seed(seed)
    return VecMonitor(env)


class NextItemVecEnv(VecEnv):
    """A :class:`NextItemVectorEnv` or :class:`SlateVectorEnv` behind stable-baselines3's interface.

    An episode that ends is followed by the opening of the next in the same step; its last
    observation is in the row's info under ``terminal_observation``, and ``TimeLimit.truncated``
    tells whether the time limit alone cut it.

    Args:
        env: a vector environment with ``autoreset="same_step"``, or a wrapper around one.

    Raises:
        SettingError: another auto-reset mode, or another environment.
    """

    actions: np.ndarray

    def __init__(self, env: Batched) -> None:
        batched = getattr(env, "unwrapped", None)
        if not isinstance(batched, (NextItemVectorEnv, SlateVectorEnv)):
            raise SettingError(
                "expected a NextItemVectorEnv or a SlateVectorEnv, made by gym.make_vec, got "
                f"{type(env).__name__}"
            )
        if batched.autoreset != "same_step":
            raise SettingError('stable-baselines3 needs the environment with autoreset="same_step"')
        self.env: Any = env
        self._batched = batched
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Observation:
        """Start an episode in every row, with the seeds and options that were set for it."""
        for options in self._options:
            check_options(options, "user_id")
        user_ids = [options.get("user_id") for options in self._options]
        observation, infos = self.env.reset(seed=self._seeds, options={"user_id": user_ids})
        self.reset_infos = row_infos(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for :meth:`step_wait`."""
        self.actions = actions

    def step_wait(self) -> tuple[Observation, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Take the step: observations, float32 rewards, dones, and one info a row."""
        observation, rewards, terminated, truncated, infos = self.env.step(self.actions)
        cut = truncated & ~terminated
        told = row_infos(infos, self.num_envs)
        rows = [self._step_info(info, row, bool(cut[row])) for row, info in enumerate(told)]
        return observation, rewards.astype(np.float32), terminated | truncated, rows

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """An attribute of the batched environment, once for each row asked for."""
        value = getattr(self._batched, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the batched environment, for all rows at once.

        Raises:
            SettingError: there is no such attribute, or it holds for good.
        """
        if indices is not None:
            raise SettingError(f"the rows are one environment: set {attr_name!r} without indices")
        self._batched.set_wrapper_attr(attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """The answers of a method of :data:`BY_ROW`, one for each row asked for."""
        if method_name not in BY_ROW:
            raise SettingError(f"no method {method_name!r} by row; there is {', '.join(BY_ROW)}")
        answers = getattr(self._batched, method_name)(*method_args, **method_kwargs)
        return [None if answers is None else answers[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Indices = None) -> list[bool]:
        """False for each row: no single environment stands inside to be wrapped."""
        return [False for _ in self._get_indices(indices)]

    def _step_info(self, info: dict[str, Any], row: int, cut: bool) -> dict[str, Any]:
        """What the step brought to a row; what opened after it goes to ``reset_infos``."""
        final: dict[str, Any] | None = info.pop("final_info", None)
        if final is None:
            return info | {"TimeLimit.truncated": False}
        terminal = info.pop("final_obs")
        self.reset_infos[row] = info
        return final | {"terminal_observation": terminal, "TimeLimit.truncated": cut}
