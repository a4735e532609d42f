"""``TransitionsDataset``: a table of transitions as a dataset of d3rlpy.

How d3rlpy 2.8 reads a dataset decides its layout. An episode of n rows that ends ``terminal`` gives
n transitions; one that ends by a timeout gives n - 1, its last row only serving as the next state
of the row before. So a user's log is one terminal episode, and each augmented row is an episode of
two rows with a timeout: its first is sampled, its second never is. Where a log is cut into shorter
episodes, each but the last ends by a timeout, after the row that follows it and pays nothing there.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.extras import require
from llmrec_env.common.file_errors import file_errors
from llmrec_env.common.files import local_path
from llmrec_env.offline.d3rlpy.library import quiet, seeded
from llmrec_env.offline.table import Transitions

require("d3rlpy", "d3rlpy")
import h5py  # noqa: E402
from d3rlpy import ActionSpace  # noqa: E402
from d3rlpy.dataset import (  # noqa: E402
    Episode,
    InfiniteBuffer,
    MDPDataset,
    PartialTrajectory,
    ReplayBuffer,
    dump,
    load,
)

ATTRIBUTES = ("n_items", "n_logged", "n_augmented")
NO_ITEMS = 0
"""What a file says of the catalogue where actions are points."""


class TransitionsDataset(MDPDataset):
    """A ``d3rlpy.dataset.MDPDataset`` whose actions are items of the catalogue, or their points.

    Transitions are sampled from all rows, logged and augmented. ``episodes``, ``size()`` and
    trajectories are those of the log alone: an augmented row is no episode of a user, so initial
    states, off-policy estimates and decision transformers are not to see it as one.

    Args:
        episodes: those of the users, then those of augmented rows.
        n_items: size of the catalogue, kept by :meth:`dump` and :meth:`load`; None where actions
            are points.
        n_augmented: how many of the episodes are augmented rows.
    """

    def __init__(
        self, episodes: Sequence[Episode], n_items: int | None, n_augmented: int = 0
    ) -> None:
        kind = ActionSpace.CONTINUOUS if n_items is None else ActionSpace.DISCRETE
        with quiet(), seeded(0):
            ReplayBuffer.__init__(
                self,
                InfiniteBuffer(),
                episodes=episodes,
                action_space=kind,
                action_size=n_items or episodes[0].actions.shape[1],
            )
        logged = len(episodes) - n_augmented
        self._added_episodes = slice(logged, len(episodes))
        first = sum(episode.transition_count for episode in episodes[:logged])
        self._added_transitions = range(first, first + n_augmented)

    @classmethod
    def of(
        cls,
        table: Transitions,
        points: FloatArray | None = None,
        max_episode_steps: int | None = None,
    ) -> TransitionsDataset:
        """The dataset of a table, whose logged rows are whole episodes.

        Args:
            table: the transitions.
            points: float32 (n_items, d), where the items lie, to have points as actions.
            max_episode_steps: the most steps of an episode; a whole log is one where None.
        """
        logged, added = np.flatnonzero(~table.augmented), np.flatnonzero(table.augmented)
        items = (table.action, table.next_action)
        rows = _Rows(table, *(items if points is None else (points[part] for part in items)))
        ends = np.flatnonzero(table.terminal[logged]) + 1
        users = np.split(logged, ends[:-1])
        episodes = [part for user in users for part in rows.episodes(user, max_episode_steps)]
        branches = [rows.branch(row) for row in added.tolist()]
        return cls([*episodes, *branches], table.n_items if points is None else None, len(branches))

    @property
    def episodes(self) -> Sequence[Any]:
        """The users' logged sequences, and what was appended later."""
        everything = list(self._buffer.episodes)
        del everything[self._added_episodes]
        return everything

    @property
    def augmented_episodes(self) -> Sequence[Any]:
        """One of two rows for each augmented row; only the first is ever sampled."""
        return self._buffer.episodes[self._added_episodes]

    def size(self) -> int:
        """How many episodes there are, augmented rows aside."""
        return len(self.episodes)

    def sample_trajectory(self, length: int) -> PartialTrajectory:
        """A part of a user's logged sequence, at most ``length`` long."""
        added = self._added_transitions
        index = np.random.randint(self.transition_count - len(added))  # noqa: NPY002
        if index >= added.start:
            index += len(added)
        return self._trajectory_slicer(*self._buffer[index], length)

    def dump(self, f: BinaryIO) -> None:
        """Write it as d3rlpy does (HDF5), with the size of the catalogue.

        d3rlpy's own ``ReplayBuffer.load`` reads the file too, and takes the highest action in it
        for the last item; :meth:`load` does not.
        """
        file = io.BytesIO()
        dump(self._buffer.episodes, file)
        added = len(self.augmented_episodes)
        size, kind = self.dataset_info.action_size, self.dataset_info.action_space
        n_items = size if kind == ActionSpace.DISCRETE else NO_ITEMS
        numbers = (n_items, len(self._buffer.episodes) - added, added)
        with h5py.File(file, "r+") as h5:
            h5.attrs.update(zip(ATTRIBUTES, numbers, strict=True))
        f.write(file.getvalue())

    @classmethod
    def load(cls, f: BinaryIO | str | os.PathLike[str], *_: Any, **__: Any) -> TransitionsDataset:
        """Read what :meth:`dump` wrote; d3rlpy's further arguments are not looked at.

        Args:
            f: an open file, as d3rlpy has it, or the path of one.

        Raises:
            DataError: the file says nothing of the catalogue, such as one of d3rlpy's own.
            FileError: there is none at the path, or it cannot be read.
        """
        file = io.BytesIO(_content(f))
        try:
            with h5py.File(file, "r") as h5:
                n_items, _n_logged, n_augmented = (int(h5.attrs[name]) for name in ATTRIBUTES)
        except (OSError, KeyError) as error:
            raise DataError(
                "no dataset that TransitionsDataset.dump wrote: nothing in it says how large the "
                f"catalogue is ({error}); d3rlpy.dataset.ReplayBuffer.load reads others"
            ) from None
        return cls(load(Episode, file), n_items or None, n_augmented)


def _content(f: BinaryIO | str | os.PathLike[str]) -> bytes:
    if not isinstance(f, str | os.PathLike):
        return f.read()
    path = local_path(f, "dataset")
    with file_errors("cannot read", path):
        return path.read_bytes()


@dataclass(frozen=True)
class _Rows:
    """The rows of a table, with its actions as d3rlpy is to see them."""

    table: Transitions
    actions: NDArray[Any]
    next_actions: NDArray[Any]

    def episodes(self, rows: NDArray[Any], most: int | None) -> Iterator[Episode]:
        """A user's rows as one episode, or as several of at most ``most`` steps."""
        for first in range(0, len(rows), most or len(rows)):
            end = first + (most or len(rows))
            part = rows[first : end + 1]
            rewards = self.table.reward[part]
            if len(rows) > end:
                rewards[-1] = 0.0
            yield _of(self.table.state[part], self.actions[part], rewards, len(rows) <= end)

    def branch(self, row: int) -> Episode:
        """An augmented row, and what followed it."""
        table = self.table
        states = np.stack([table.state[row], table.next_state[row]])
        actions = np.stack([self.actions[row], self.next_actions[row]])
        rewards = np.array([table.reward[row], table.next_reward[row]], dtype=np.float32)
        return _of(states, actions, rewards, False)


def _of(states: Any, actions: Any, rewards: Any, terminated: bool) -> Episode:
    return Episode(states, actions.reshape(len(states), -1), rewards[:, None], terminated)


def played(
    observations: FloatArray, actions: NDArray[Any], rewards: FloatArray, last: FloatArray | None
) -> Episode:
    """An episode that was played in an environment.

    Args:
        observations: float32 (T, k).
        actions: (T,) or (T, d).
        rewards: float32 (T,).
        last: float32 (k,), the observation after the last step where the time limit cut the
            episode, which d3rlpy reads as one more row; None where it ended by itself.
    """
    if last is None:
        return _of(observations, actions, rewards, True)
    return _of(
        np.vstack([observations, last]),
        np.concatenate([actions, actions[-1:]]),
        np.append(rewards, np.float32(0.0)),
        False,
    )
