"""``ReturnAtEnd``: nothing is paid until the session is over, then everything."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from llmrec_env.common.arrays import KeepsArrays
from llmrec_env.envs.wrappers.shaping import ORIGINAL
from llmrec_env.envs.wrappers.telling import told


class ReturnAtEnd(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Pays 0 at every step but the last of an episode, which pays the sum of all.

    The last step is that which terminates or truncates. What the step itself would have paid stands
    in ``info["original_reward"]``, unless a wrapper inside tells an earlier one. An observation
    does not tell what has been earned so far, so the value of a state is that of its future plus a
    sum that only a memory knows.

    Args:
        env: any environment. Put reward wrappers inside, a time limit too.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._earned = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode, as the environment does."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._earned = 0.0
        return observation, {ORIGINAL: 0.0} | info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Do an action; the reward is 0, or what the whole episode earned."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._earned += float(reward)
        paid = self._earned if terminated or truncated else 0.0
        return observation, paid, terminated, truncated, {ORIGINAL: float(reward)} | info


class VectorReturnAtEnd(KeepsArrays, gym.vector.VectorWrapper, gym.utils.RecordConstructorArgs):
    """:class:`ReturnAtEnd` for a vector environment, in every mode of auto-reset.

    Args:
        env: any vector environment whose reset and autoreset rows earn nothing, as Gymnasium's do.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._earned = np.zeros(env.num_envs)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the episodes, as the environment does."""
        mask = (options or {}).get("reset_mask")  # before an environment takes it out
        observations, infos = self.env.reset(seed=seed, options=options)
        rows = np.ones(self.num_envs, dtype=np.bool_) if mask is None else mask.copy()
        self._earned[rows] = 0.0
        return observations, told(infos, {ORIGINAL: np.zeros(self.num_envs)}, rows, rows)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Do the actions; a reward is 0, or what the whole episode of the row earned."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        ended = terminated | truncated
        earned = self._earned + rewards
        self._earned = np.where(ended, 0.0, earned)
        starting = ended if "final_info" in infos else np.zeros_like(ended)
        infos = told(infos, {ORIGINAL: rewards}, np.ones_like(ended), starting)
        return observations, np.where(ended, earned, 0.0), terminated, truncated, infos
