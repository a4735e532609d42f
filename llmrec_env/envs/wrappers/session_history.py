"""``SessionHistory``: the last steps of the session together, with what was shown and answered."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.checks import check_counts
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.single import FIRST, PLAYING
from llmrec_env.envs.wrappers.episodes import Episodes
from llmrec_env.envs.wrappers.shaping import Outcome, looked_at, rules_of
from llmrec_env.users.item_space import item_space_of

BESIDE = 2
"""Numbers of a frame after the item: the answer and the reward."""


class Frames:
    """The last steps of N rows: what was observed, what was shown then, the answer, the reward.

    Args:
        env: single or batched, whose observations are flat.
        num_rows: N.
        length: frames, the present one among them, K.

    Attributes:
        space: of one row's frames.
        values: float32 (N, K, F), oldest first, zeros before the session; the last is the present,
            in which nothing has been shown yet.
    """

    def __init__(self, env: Any, num_rows: int, length: int) -> None:
        check_counts(length=length)
        seen = getattr(env, "single_observation_space", env.observation_space)
        if not isinstance(seen, spaces.Box) or len(seen.shape) != 1:
            raise SettingError(f"frames are made of observations that are flat, not {seen}")
        self._points = item_space_of(rules_of(env).simulator).points
        beside = np.ones(self._points.shape[1] + BESIDE, dtype=np.float32)
        high = np.maximum(np.concatenate([seen.high.astype(np.float32), beside]), 0.0)
        low = np.minimum(np.concatenate([seen.low.astype(np.float32), -beside]), 0.0)
        self._size = seen.shape[0]
        shape = (length, len(high))
        self.space = spaces.Box(np.broadcast_to(low, shape), np.broadcast_to(high, shape))
        self.values = np.zeros((num_rows, *shape), dtype=np.float32)

    def begin(self, rows: IntArray, observations: FloatArray) -> None:
        """New sessions in ``rows``, int64 (M,), with the first observations of all, (N, d)."""
        self.values[rows] = 0.0
        self.values[rows, -1, : self._size] = observations[rows]

    def step(self, rows: BoolArray, outcome: Outcome, observations: FloatArray) -> None:
        """What was shown in ``rows``, bool (N,), and the observations after it, (N, d)."""
        present = self.values[:, -1]
        answers = np.where(outcome.accepted, 1.0, -1.0)
        shown = rows & looked_at(outcome)
        present[shown, self._size : -BESIDE] = self._points[outcome.items[shown]]
        present[rows, -BESIDE:] = np.stack([answers, outcome.reward], axis=1)[rows]
        self.values[rows, :-1] = self.values[rows, 1:]
        self.values[rows, -1] = 0.0
        self.values[rows, -1, : self._size] = observations[rows]


class SessionHistory(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Observes the last ``length`` steps of the session, for agents with a memory of frames.

    The observation is ``Box`` (length, d + p + 2), float32. A frame is the flat observation of d
    numbers, and what happened then: where the item that was shown lies (p numbers, its point in the
    item space of the simulator), the answer (1 taken, -1 skipped) and the reward that the
    environment paid. Frames stand oldest first, zeros before the session; in the last, the present
    one, nothing has been shown yet, so its last p + 2 numbers are 0. Gymnasium's
    ``FlattenObservation`` around it makes one vector of them, and its ``FrameStackObservation``
    stacks observations alone.

    Args:
        env: an environment such as ``LLMRec/NextItem-v1`` with a flat observation.
        length: frames, the present one among them.

    Raises:
        SettingError: an argument is out of range, or the environment is another.
        SimulatorError: the simulator does not say where items lie.
    """

    def __init__(self, env: gym.Env[Any, Any], length: int = 10) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, length=length)
        super().__init__(env)
        self._frames = Frames(env, 1, length)
        self.observation_space = self._frames.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Start an episode, as the environment does."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._frames.begin(FIRST, observation[None])
        return self._frames.values[0].copy(), info

    def step(self, action: Any) -> tuple[FloatArray, Any, bool, bool, dict[str, Any]]:
        """Do an action, as the environment does."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        outcome = self.env.unwrapped.outcome  # type: ignore[attr-defined]
        self._frames.step(PLAYING, outcome, observation[None])
        return self._frames.values[0].copy(), reward, terminated, truncated, info


class VectorSessionHistory(gym.vector.VectorWrapper, gym.utils.RecordConstructorArgs):
    """:class:`SessionHistory` for a batched environment; observations are (num_envs, length, …)."""

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any], length: int = 10) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, length=length)
        super().__init__(env)
        self._frames = Frames(env, env.num_envs, length)
        self._episodes = Episodes(env)
        self.single_observation_space = self._frames.space
        self.observation_space = batch_space(self._frames.space, env.num_envs)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the episodes, as the environment does."""
        observations, infos = self.env.reset(seed=seed, options=options)
        self._frames.begin(np.flatnonzero(self._episodes.reset(options)), observations)
        return self._frames.values.copy(), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Do the actions, as the environment does."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        ended = terminated | truncated
        playing, starting = self._episodes.step(ended)
        last = observations
        if "final_obs" in infos:
            last = np.where(ended[:, None], infos["final_obs"], observations)
        self._frames.step(playing, self.env.unwrapped.outcome, last)
        if "final_obs" in infos:
            infos = infos | {"final_obs": self._frames.values.copy()}
        if starting.any():
            self._frames.begin(np.flatnonzero(starting), observations)
        return self._frames.values.copy(), rewards, terminated, truncated, infos
