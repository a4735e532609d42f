"""``Episodes``: which rows of a batched environment take a step, and which begin an episode."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from llmrec_env.common.arrays import BoolArray


class Episodes:
    """Follows the episodes of a batched environment of ours through its mode of auto-reset."""

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        self._env: Any = env.unwrapped
        self._at_once = env.unwrapped.autoreset == "same_step"
        self._ended = np.zeros(env.num_envs, dtype=np.bool_)

    def reset(self, options: dict[str, Any] | None) -> BoolArray:
        """The rows that a reset has begun, bool (N,)."""
        mask = (options or {}).get("reset_mask")
        rows = np.ones_like(self._ended) if mask is None else mask.copy()
        self._ended = self._ended & ~rows
        return rows

    def step(self, ended: BoolArray) -> tuple[BoolArray, BoolArray]:
        """The rows that took the last step, and those that have just begun, bool (N,) each.

        Args:
            ended: bool (N,), those whose episode terminated or was truncated in it.
        """
        starting = ended if self._at_once else self._ended
        self._ended = np.zeros_like(ended) if self._at_once else ended
        return self._env.playing, starting
