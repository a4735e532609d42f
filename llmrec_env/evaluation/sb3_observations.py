"""What a model of stable-baselines3 sees of an environment's observations, through its wrappers.

A model that learned behind ``VecNormalize``, ``NormalizeObservation`` or ``RescaleObservation``
must be asked with observations that went the same way. Item indices go no such way: a scaled index
is another item, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import NormalizeObservation, RescaleObservation, TransformObservation

from llmrec_env.common.errors import SettingError

Transform = Callable[[Any], Any]
HARMLESS = ("VecMonitor", "VecCheckNan", "VecVideoRecorder")
"""Wrappers of stable-baselines3 that leave observations as they are."""


def seen_by(model: Any) -> tuple[spaces.Space[Any], list[Transform]]:
    """The space of the innermost environment of a model, and what happens to its observations.

    Args:
        model: of stable-baselines3, with the environment that it learned in, or none.

    Returns:
        The space, and functions of N observations, to be called one after the other.

    Raises:
        SettingError: observations go through a wrapper that cannot be followed or that scales item
            indices, or there is no environment and they were of another scale.
    """
    venv, transforms = model.get_env(), []
    if venv is None:
        return _as_it_is(model), []
    while hasattr(venv, "venv"):
        transforms += _of_vector_wrapper(venv)
        venv = venv.venv
    space = venv.observation_space
    if hasattr(venv, "envs"):
        space = venv.envs[0].unwrapped.observation_space
        transforms += _of_wrappers(venv.envs)
    elif hasattr(venv, "remotes"):
        _check_far_environments(venv)
    return space, transforms[::-1]


def _as_it_is(model: Any) -> spaces.Space[Any]:
    """The space of a model without its environment, where nothing says that it was scaled."""
    space = model.observation_space
    last = getattr(model, "_last_obs", None)
    pairs = [(space, last)]
    if isinstance(space, spaces.Dict):
        pairs = [(part, None if last is None else last[name]) for name, part in space.items()]
    for part, values in pairs:
        states = bool((part.low == -1.0).all() and (part.high == 1.0).all())
        ours = len(part.shape) == 1 and (states or np.issubdtype(part.dtype, np.integer))
        inside = values is None or bool(((values >= part.low) & (values <= part.high)).all())
        if not (ours and inside):
            raise SettingError(
                "this model learned from observations that a wrapper had scaled, and it comes "
                "without its environment; pass observations= in Python, a function that scales "
                "them alike, such as VecNormalize.load(path, venv).normalize_obs"
            )
    return space


def _of_vector_wrapper(wrapper: Any) -> list[Transform]:
    name = type(wrapper).__name__
    if name == "VecNormalize":
        if not wrapper.norm_obs:
            return []
        inner = wrapper.venv.observation_space
        scaled = [inner]
        if isinstance(inner, spaces.Dict):
            scaled = [inner[key] for key in wrapper.norm_obs_keys]
        for space in scaled:
            _check_no_indices(space, name)
        return [wrapper.normalize_obs]
    if name in HARMLESS:
        return []
    raise _unknown(name)


def _of_wrappers(envs: list[gym.Env[Any, Any]]) -> list[Transform]:
    """What the wrappers of single environments do; they are alike in each of them."""
    transforms: list[Transform] = []
    env: Any = envs[0]
    while isinstance(env, gym.Wrapper):
        name, inner = type(env).__name__, env.env.observation_space
        if isinstance(env, NormalizeObservation):
            _check_no_indices(inner, name)
            if len(envs) > 1:
                raise SettingError(
                    f"each of the model's {len(envs)} environments has a NormalizeObservation of "
                    "its own, with its own means: learn behind one VecNormalize instead, or pass "
                    "observations="
                )
            transforms.append(_normalised(env))
        elif isinstance(env, TransformObservation):
            if isinstance(env, RescaleObservation):
                _check_no_indices(inner, name)
            transforms.append(_row_by_row(env.func))
        elif isinstance(env, gym.ObservationWrapper) or env.observation_space != inner:
            raise _unknown(name)
        env = env.env
    return transforms


def _check_far_environments(venv: Any) -> None:
    for wrapper in (NormalizeObservation, TransformObservation, gym.ObservationWrapper):
        if any(venv.env_is_wrapped(wrapper)):
            raise SettingError(
                f"the model's environments stand in other processes behind {wrapper.__name__}, "
                "where it cannot be followed: learn behind VecNormalize, or pass observations="
            )


def _normalised(wrapper: Any) -> Transform:
    def transform(observations: Any) -> Any:
        spread = np.sqrt(wrapper.obs_rms.var + wrapper.epsilon)
        return np.asarray((observations - wrapper.obs_rms.mean) / spread, dtype=np.float32)

    return transform


def _row_by_row(function: Callable[[Any], Any]) -> Transform:
    def transform(observations: Any) -> Any:
        if isinstance(observations, dict):
            names, columns = observations.keys(), zip(*observations.values(), strict=True)
            return np.stack([function(dict(zip(names, row, strict=True))) for row in columns])
        return np.stack([function(row) for row in observations])

    return transform


def _check_no_indices(space: spaces.Space[Any], name: str) -> None:
    parts = space.values() if isinstance(space, spaces.Dict) else [space]
    if any(part.dtype is not None and np.issubdtype(part.dtype, np.integer) for part in parts):
        raise SettingError(
            f"{name} scales item indices, and a scaled index is another item or none: leave the "
            "history as it is (VecNormalize(..., norm_obs_keys=['state']) for observation='both')"
        )


def _unknown(name: str) -> SettingError:
    return SettingError(
        f"{name} changes observations in a way that cannot be followed here: pass observations=, a "
        "function from the environment's observations to the model's"
    )
