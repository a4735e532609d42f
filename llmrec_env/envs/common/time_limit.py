"""Passes the time limit given to ``gym.make`` on to the environment inside.

The limit is kept in the environment (``max_episode_steps``), which cuts its episodes itself and
counts the steps left. ``gym.make(id, max_episode_steps=n)`` hands its number to a ``TimeLimit``
wrapper alone, and no wrapper tells the environment inside; what is registered as an additional
wrapper is called after it, and can read ``env.spec``.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import WrapperSpec

from llmrec_env.common.errors import SettingError


def tell_limit(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Tell an environment of ours the limit of the ``TimeLimit`` around it.

    Args:
        env: made by ``gym.make``, with the ``TimeLimit`` outermost or further in; without one, the
            environment is told that there is no limit.

    Returns:
        The same environment.

    Raises:
        SettingError: it was not made by ``gym.make``.
    """
    inside: Any = env.unwrapped
    if inside.spec is None:
        raise SettingError(
            f"{type(inside).__name__} was not made by gym.make: give it max_episode_steps=… itself"
        )
    inside.spec.additional_wrappers = ADDITIONAL_WRAPPERS  # so that gym.make(env.spec) tells again
    assert env.spec is not None
    inside.cut_outside(env.spec.max_episode_steps)
    return env


class SingleOnly(tuple[WrapperSpec, ...]):
    """Additional wrappers of a spec that concern its single environment only.

    ``gym.make`` goes through them. ``gym.make_vec`` refuses a vector environment of one's own where
    ``len()`` finds wrappers, which it could not put around it. Ours is handed its limit as an
    argument and needs none, so there it finds none.
    """

    __slots__ = ()

    def __len__(self) -> int:
        return 0


ADDITIONAL_WRAPPERS = SingleOnly((WrapperSpec("tell_limit", f"{__name__}:tell_limit", {}),))
