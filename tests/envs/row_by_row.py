"""What a row of a batched environment should give, and what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from llmrec_env.envs.common.infos import row_infos


def row_of(observation: Any, row: int) -> Any:
    if isinstance(observation, dict):
        return {name: values[row] for name, values in observation.items()}
    return observation[row]


def alone(env: gym.Env, seed: int, actions: Sequence[Any], autoreset: str) -> Iterator[tuple]:
    """What a batched row should give, from the single environment reset at each episode's end."""
    yield env.reset(seed=seed)
    done = False
    for action in actions:
        if done and autoreset == "next_step":
            observation, info = env.reset()
            yield observation, 0.0, False, False, info
            done = False
            continue
        observation, reward, terminated, truncated, info = env.step(action)
        done = terminated or truncated
        if done and autoreset == "same_step":
            final = {"final_obs": observation, "final_info": info}
            observation, info = env.reset()
            info |= final
        yield observation, reward, terminated, truncated, info
        if done and autoreset == "disabled":
            yield env.reset()


def together(envs: gym.vector.VectorEnv, seed: int, actions: np.ndarray) -> list[list[tuple]]:
    """What each row of the batched environment gives."""
    rows: list[list[tuple]] = [[] for _ in range(envs.num_envs)]
    observation, infos = envs.reset(seed=seed)
    for i, row in enumerate(rows):
        row.append((row_of(observation, i), row_infos(infos, envs.num_envs)[i]))
    for step in actions:
        observation, rewards, terminations, truncations, infos = envs.step(step)
        for i, row in enumerate(rows):
            flags = float(rewards[i]), bool(terminations[i]), bool(truncations[i])
            row.append((row_of(observation, i), *flags, row_infos(infos, envs.num_envs)[i]))
        ended = terminations | truncations
        if envs.unwrapped.autoreset == "disabled" and ended.any():
            observation, infos = envs.reset(options={"reset_mask": ended})
            for i in np.flatnonzero(ended):
                rows[i].append((row_of(observation, i), row_infos(infos, envs.num_envs)[i]))
    return rows
