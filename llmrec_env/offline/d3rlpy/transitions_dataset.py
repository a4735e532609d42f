"""``TransitionsDataset``: a table of transitions as a dataset of d3rlpy.

How d3rlpy 2.8 reads a dataset decides its layout. An episode of n rows that ends ``terminal`` gives
n transitions; one that ends by a timeout gives n - 1, its last row only serving as the next state
of the row before. So a user's log is one terminal episode, and each augmented row is an episode of
two rows with a timeout: its first is sampled, its second never is.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.errors import DataError
from llmrec_env.common.extras import require
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


class TransitionsDataset(MDPDataset):
    """A ``d3rlpy.dataset.MDPDataset`` over discrete actions, the items of the catalogue.

    Transitions are sampled from all rows, logged and augmented. ``episodes``, ``size()`` and
    trajectories are those of the log alone: an augmented row is no episode of a user, so initial
    states, off-policy estimates and decision transformers are not to see it as one.

    Args:
        episodes: those of the users, then those of augmented rows.
        n_items: size of the catalogue, kept by :meth:`dump` and :meth:`load`.
        n_augmented: how many of the episodes are augmented rows.
    """

    def __init__(self, episodes: Sequence[Episode], n_items: int, n_augmented: int = 0) -> None:
        with quiet(), seeded(0):
            ReplayBuffer.__init__(
                self,
                InfiniteBuffer(),
                episodes=episodes,
                action_space=ActionSpace.DISCRETE,
                action_size=n_items,
            )
        logged = len(episodes) - n_augmented
        self._added_episodes = slice(logged, len(episodes))
        first = sum(episode.transition_count for episode in episodes[:logged])
        self._added_transitions = range(first, first + n_augmented)

    @classmethod
    def of(cls, table: Transitions) -> TransitionsDataset:
        """The dataset of a table, whose logged rows are whole episodes."""
        logged, added = np.flatnonzero(~table.augmented), np.flatnonzero(table.augmented)
        ends = np.flatnonzero(table.terminal[logged]) + 1
        episodes = [_episode(table, rows) for rows in np.split(logged, ends[:-1])]
        episodes += [_branch(table, row) for row in added.tolist()]
        return cls(episodes, table.n_items, len(added))

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
        numbers = (self.dataset_info.action_size, len(self._buffer.episodes) - added, added)
        with h5py.File(file, "r+") as h5:
            h5.attrs.update(zip(ATTRIBUTES, numbers, strict=True))
        f.write(file.getvalue())

    @classmethod
    def load(cls, f: BinaryIO, *_: Any, **__: Any) -> TransitionsDataset:
        """Read what :meth:`dump` wrote; d3rlpy's further arguments are not looked at.

        Raises:
            DataError: the file says nothing of the catalogue, such as one of d3rlpy's own.
        """
        file = io.BytesIO(f.read())
        try:
            with h5py.File(file, "r") as h5:
                n_items, _n_logged, n_augmented = (int(h5.attrs[name]) for name in ATTRIBUTES)
        except (OSError, KeyError) as error:
            raise DataError(
                "no dataset that TransitionsDataset.dump wrote: nothing in it says how large the "
                f"catalogue is ({error}); d3rlpy.dataset.ReplayBuffer.load reads others"
            ) from None
        return cls(load(Episode, file), n_items, n_augmented)


def _episode(table: Transitions, rows: NDArray[Any]) -> Episode:
    return _of(table.state[rows], table.action[rows], table.reward[rows], True)


def _branch(table: Transitions, row: int) -> Episode:
    states = np.stack([table.state[row], table.next_state[row]])
    actions = np.array([table.action[row], table.next_action[row]])
    rewards = np.array([table.reward[row], table.next_reward[row]], dtype=np.float32)
    return _of(states, actions, rewards, False)


def _of(states: Any, actions: Any, rewards: Any, terminated: bool) -> Episode:
    return Episode(states, actions[:, None], rewards[:, None], terminated)
