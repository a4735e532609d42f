"""Puts action masks into observations, in the form that each library reads.

| library | reads | what it needs |
|---|---|---|
| sb3-contrib's MaskablePPO | the method ``action_masks()`` | nothing: every environment has it |
| RLlib's example module | ``observations``, ``action_mask`` float32 | ``library="rllib"`` |
| Tianshou | ``obs``, ``mask`` bool | ``library="tianshou"`` |
| TorchRL | ``observation``, ``action_mask`` bool | ``library="torchrl"`` |
| PettingZoo's habit | ``observation``, ``action_mask`` int8 | ``library="pettingzoo"`` |
| the same in ``info`` | ``info["action_mask"]`` int8 | the environment's ``action_mask=True`` |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from llmrec_env.common.arrays import BoolArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.checks import check_name


def _bits(n: int) -> spaces.Space[Any]:
    return spaces.MultiBinary(n)


def _truths(n: int) -> spaces.Space[Any]:
    dtype: Any = np.bool_  # which gymnasium's annotations leave out
    return spaces.Box(0, 1, (n,), dtype=dtype)


def _shares(n: int) -> spaces.Space[Any]:
    return spaces.Box(0.0, 1.0, (n,), dtype=np.float32)


class Form(NamedTuple):
    """How a library wants the two: what they are called, and of what dtype a mask is."""

    observation: str
    mask: str
    dtype: type[np.generic]
    space: Callable[[int], spaces.Space[Any]]

    def join(self, observation: Any, masks: BoolArray) -> dict[str, Any]:
        """An observation and its mask, or those of many rows."""
        return {self.observation: observation, self.mask: masks.astype(self.dtype)}

    def space_of(self, env: Any) -> spaces.Dict:
        """The space of one row; of a vector environment too."""
        actions = getattr(env, "single_action_space", env.action_space)
        seen = getattr(env, "single_observation_space", env.observation_space)
        if not isinstance(actions, (spaces.Discrete, spaces.MultiDiscrete)):
            raise SettingError(
                f"a mask says which of a number of actions make sense: it is for Discrete and "
                f"MultiDiscrete actions, not for {actions}"
            )
        n = actions.n if isinstance(actions, spaces.Discrete) else actions.nvec.sum()
        return spaces.Dict({self.observation: seen, self.mask: self.space(int(n))})


FORMS = {
    "pettingzoo": Form("observation", "action_mask", np.int8, _bits),
    "rllib": Form("observations", "action_mask", np.float32, _shares),
    "tianshou": Form("obs", "mask", np.bool_, _truths),
    "torchrl": Form("observation", "action_mask", np.bool_, _truths),
}
"""By the name of the library."""


class MaskInObservation(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Puts the mask beside the observation: ``{"observation": …, "action_mask": …}``.

    The mask, (number of actions,), is true where an action makes sense. Where none does, because
    the episode has just ended, all of them are: nobody can draw from nothing.

    Args:
        env: an environment of ours whose actions are ``Discrete``, or ``MultiDiscrete``: then the
            masks of the places stand in a row, as sb3-contrib has them.
        library: who reads it: ``"pettingzoo"`` (int8, also for an agent of one's own), ``"rllib"``
            (``"observations"``, float32), ``"tianshou"`` (``"obs"`` and ``"mask"``, bool) or
            ``"torchrl"`` (bool).

    Raises:
        SettingError: there is no such library, or the environment has no masks.
    """

    def __init__(self, env: gym.Env[Any, Any], library: str = "pettingzoo") -> None:
        gym.utils.RecordConstructorArgs.__init__(self, library=library)
        super().__init__(env)
        self._form = FORMS[check_name("library", library, FORMS)]
        if not env.has_wrapper_attr("action_masks"):
            raise SettingError(f"{env} has no action_masks(): it is not one of ours")
        self.observation_space = self._form.space_of(env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode, as the environment does."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with_mask(observation), info

    def step(self, action: Any) -> tuple[dict[str, Any], Any, bool, bool, dict[str, Any]]:
        """Do an action, as the environment does."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._with_mask(observation), reward, terminated, truncated, info

    def _with_mask(self, observation: Any) -> dict[str, Any]:
        mask = self.env.get_wrapper_attr("action_masks")()
        return self._form.join(observation, _never_empty(mask))


class VectorMaskInObservation(gym.vector.VectorWrapper, gym.utils.RecordConstructorArgs):
    """:class:`MaskInObservation` for many rows at once; masks are (num_envs, number of actions).

    Args:
        env: a batched environment of ours. With ``autoreset="same_step"`` an episode's last
            observation, in ``infos["final_obs"]``, has its mask too. Environments that Gymnasium
            runs side by side (``vectorization_mode="sync"`` and ``"async"``) take
            :class:`MaskInObservation` around each: ``gym.make_vec(..., wrappers=[...])``.
        library: as there.

    Raises:
        SettingError: there is no such library, or the environment has no masks.
    """

    def __init__(
        self, env: gym.vector.VectorEnv[Any, Any, Any], library: str = "pettingzoo"
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, library=library)
        super().__init__(env)
        self._form = FORMS[check_name("library", library, FORMS)]
        if not hasattr(env.unwrapped, "action_masks"):
            raise SettingError(
                f"{env} has no action_masks(): it is not one of ours, or runs single environments "
                "side by side; put MaskInObservation around each of these"
            )
        self.single_observation_space = self._form.space_of(env)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)
        env.unwrapped.keeps_final_masks = True

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the episodes, as the environment does."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return self._with_masks(observations), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Do the actions, as the environment does."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            infos = infos | {"final_obs": self._final(infos)}
        return self._with_masks(observations), rewards, terminated, truncated, infos

    def _with_masks(self, observations: Any) -> dict[str, Any]:
        return self._form.join(observations, _never_empty(self.env.unwrapped.action_masks()))

    def _final(self, infos: dict[str, Any]) -> dict[str, Any]:
        """The last observations with their masks, in Gymnasium's vector form."""
        masks = _never_empty(self.env.unwrapped.final_masks)
        final = self._form.join(infos["final_obs"], masks)
        return final | {f"_{name}": infos["_final_obs"] for name in final}


def _never_empty(masks: BoolArray) -> BoolArray:
    """The same masks, but all true where all was false; the last axis is over actions."""
    return masks | ~masks.any(axis=-1, keepdims=True)
