"""A collected log as a dataset of d3rlpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("d3rlpy")
from collected_users import USERS

from llmrec_env.common.errors import DataError, FileError
from llmrec_env.evaluation.collecting import collect
from llmrec_env.evaluation.stochastic import UniformPolicy
from llmrec_env.offline.d3rlpy import to_mdp_dataset
from llmrec_env.offline.d3rlpy.transitions_dataset import TransitionsDataset

LOG = collect(UniformPolicy(), USERS, episodes=20, max_episode_steps=6)


def test_every_step_is_a_transition_with_what_came_next(tmp_path: Path) -> None:
    dataset = to_mdp_dataset(LOG)
    with (tmp_path / "log.h5").open("wb") as file:
        dataset.dump(file)
    with (tmp_path / "log.h5").open("rb") as file:
        again = TransitionsDataset.load(file)
    by_path = TransitionsDataset.load(tmp_path / "log.h5")
    for known in (dataset, again, by_path):
        assert known.transition_count == len(LOG)
        assert known.dataset_info.action_size == 30
        for index in range(len(LOG)):
            found = known.transition_picker(*known.buffer[index])
            episode = LOG.row_episodes[index]
            last = index + 1 == LOG.offsets[episode + 1]
            np.testing.assert_array_equal(found.observation, LOG.observations[index])
            assert found.action[0] == LOG.items[index]
            assert found.reward[0] == LOG.rewards[index]
            assert bool(found.terminal) == bool(last and LOG.terminated[episode])
            if not found.terminal:
                after = LOG.last_observations[episode] if last else LOG.observations[index + 1]
                np.testing.assert_array_equal(found.next_observation, after)


def test_a_path_at_which_nothing_is_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read .*none\.h5: No such file"):
        TransitionsDataset.load(str(tmp_path / "none.h5"))


def test_actions_may_be_points() -> None:
    dataset = to_mdp_dataset(LOG, USERS, actions="embedding")
    assert dataset.episodes[0].actions.shape[1] == dataset.dataset_info.action_size > 1
    with pytest.raises(DataError, match="belong to a log"):
        to_mdp_dataset(LOG, max_episode_steps=3)
