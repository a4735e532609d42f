"""``collect_episodes``: what somebody does in an environment, as a dataset of d3rlpy.

A log says neither what was shown and skipped nor how much patience was left; whoever acts in the
environment sees all of it. These episodes hold the environment's own observations and end where the
user left or the time was up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from llmrec_env.common.checks import ENDLESS, check_counts
from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.progress import track
from llmrec_env.offline.d3rlpy.library import d3rlpy, quiet, seeded

require("d3rlpy", "d3rlpy")
from d3rlpy.dataset import Episode, InfiniteBuffer, ReplayBuffer  # noqa: E402

Act = Callable[[Any], Any]
"""From an observation to an action."""


def collect_episodes(env: Any, act: Act, episodes: int, seed: int = 0) -> ReplayBuffer:
    """Whole episodes of somebody who acts in an environment.

    d3rlpy's own ``algo.collect(env, n_steps=…)`` does the same for its algorithms, but for two
    things: there the last episode ends where the steps do, and an episode that ends at its first
    step (``patience=1``) is joined with the next.

    Args:
        env: an environment whose observations are arrays and whose actions are ``Discrete`` or a
            ``Box``; all of ours but ``observation="both"``.
        act: from an observation to an action, such as ``lambda observation:
            env.action_space.sample()`` or ``lambda observation: model.predict(observation)[0]``.
        episodes: how many.
        seed: of the environment and of its action space.

    Returns:
        A dataset that algorithms learn from, and that ``fit_online`` takes as its buffer. An
        episode that the time limit ended has one more row than steps, of reward 0: d3rlpy samples
        it as the state that came next, and as nothing else.

    Raises:
        SettingError: d3rlpy knows no such observations or actions, or there is to be no episode.
    """
    discrete = _check_spaces(env)
    check_counts(ENDLESS, episodes=episodes)
    env.action_space.seed(seed)
    seeds = [seed] + [None] * (episodes - 1)
    played = [_play(env, act, start) for start in track(seeds, "episodes")]
    names = d3rlpy.ActionSpace
    with quiet(), seeded(0):
        return ReplayBuffer(
            InfiniteBuffer(),
            episodes=played,
            action_space=names.DISCRETE if discrete else names.CONTINUOUS,
            action_size=int(env.action_space.n if discrete else env.action_space.shape[0]),
        )


def _check_spaces(env: Any) -> bool:
    """Whether actions are discrete."""
    observations, actions = env.observation_space, env.action_space
    if isinstance(env, gym.vector.VectorEnv):
        raise SettingError("d3rlpy acts in one environment at a time: gym.make, not gym.make_vec")
    if not isinstance(observations, spaces.Box):
        raise SettingError(
            f"d3rlpy reads arrays, and this environment observes {observations}; make it with "
            'observation="state", "bare_state" or "history"'
        )
    if not isinstance(actions, (spaces.Discrete, spaces.Box)):
        raise SettingError(f"d3rlpy knows actions that are Discrete or a Box, not {actions}")
    return isinstance(actions, spaces.Discrete)


def _play(env: Any, act: Act, seed: int | None) -> Episode:
    observation, _ = env.reset(seed=seed)
    observations, actions, rewards, ended = [], [], [], False
    while not ended:
        action = act(observation)
        observations.append(observation)
        actions.append(np.atleast_1d(action))
        observation, reward, terminated, truncated, _ = env.step(action)
        rewards.append([reward])
        ended = terminated or truncated
    if not terminated:
        observations.append(observation)
        actions.append(actions[-1])
        rewards.append([0.0])
    return Episode(
        np.stack(observations),
        np.stack(actions).astype(env.action_space.dtype),
        np.array(rewards, dtype=np.float32),
        bool(terminated),
    )
