"""``PlayedSteps``: the steps of episodes that are played at once, sorted into a collected log."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray, stable_order
from llmrec_env.offline.collected import CollectedLog

COLUMNS = ("episode", "items", "propensities", "rewards", "accepted", "observations")


class PlayedSteps:
    """The steps of some episodes, in the order in which they were played."""

    def __init__(self, n_episodes: int) -> None:
        self.n_episodes = n_episodes
        self.last = [np.empty(0, dtype=np.float32)] * n_episodes
        self.terminated = np.zeros(n_episodes, dtype=np.bool_)
        self._columns: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}

    def add(self, **columns: NDArray[Any]) -> None:
        """One step of several episodes, a row each."""
        for name, values in columns.items():
            self._columns[name].append(values)

    def end(self, episodes: IntArray, states: FloatArray, terminated: BoolArray) -> None:
        """Some episodes have come to their end."""
        for episode, state, gone in zip(episodes.tolist(), states, terminated, strict=True):
            self.last[episode], self.terminated[episode] = state, gone

    def log(self, **columns: Any) -> CollectedLog:
        """All of them, episode by episode."""
        steps: dict[str, Any] = {
            name: np.concatenate(parts) for name, parts in self._columns.items()
        }
        episodes = steps.pop("episode")
        order, lengths = stable_order(episodes), np.bincount(episodes, minlength=self.n_episodes)
        return CollectedLog(
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            last_observations=np.stack(self.last),
            terminated=self.terminated,
            **{name: values[order] for name, values in steps.items()},
            **columns,
        )
