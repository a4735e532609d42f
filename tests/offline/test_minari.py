"""A collected log as a dataset of Minari, whose environment can be made again."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("minari")
pytest.importorskip("h5py")
import minari
from collected_users import USERS

from llmrec_env.common.errors import SettingError
from llmrec_env.evaluation.collecting import collect
from llmrec_env.evaluation.stochastic import UniformPolicy
from llmrec_env.offline.collected import CollectedLog
from llmrec_env.offline.minari import is_written, to_minari

ID = "llmrec/true-taste/random-v0"


@pytest.fixture(scope="module")
def log() -> CollectedLog:
    return collect(UniformPolicy(), "true-taste", episodes=12, max_episode_steps=6, patience=3)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def test_episodes_come_back_as_they_were(log: CollectedLog) -> None:
    to_minari(log, ID, author="somebody")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = minari.load_dataset(ID)
    assert list(minari.list_local_datasets()) == [ID]
    assert (found.total_episodes, found.total_steps) == (log.n_episodes, len(log))
    assert found.storage.metadata["algorithm_name"] == "random"
    assert found.storage.metadata["collection"] == log.about
    for episode, rows in zip(found, log.episode_rows, strict=True):
        number = episode.id
        np.testing.assert_array_equal(episode.observations[:-1], log.observations[rows])
        np.testing.assert_array_equal(episode.observations[-1], log.last_observations[number])
        np.testing.assert_array_equal(episode.actions, log.items[rows])
        np.testing.assert_array_equal(episode.rewards, log.rewards[rows])
        np.testing.assert_array_equal(episode.infos["propensity"][1:], log.propensities[rows])
        np.testing.assert_array_equal(episode.infos["accepted"][1:], log.accepted[rows])
        assert episode.terminations[-1] == log.terminated[number] != episode.truncations[-1]
        assert not (episode.terminations[:-1] | episode.truncations[:-1]).any()


def test_the_environment_is_made_again(log: CollectedLog) -> None:
    found = to_minari(log, ID)
    env = found.recover_environment()
    assert env.spec is not None
    assert env.spec.id == "LLMRec/NextItem-v1"
    assert (env.unwrapped.patience, env.unwrapped.max_episode_steps) == (3, 6)
    assert env.observation_space == found.observation_space
    assert env.action_space == found.action_space
    (options,) = found.storage.get_episode_metadata([5])
    observation, _ = env.reset(options=options["options"])
    np.testing.assert_array_equal(observation, found[5].observations[0])


def test_a_log_of_users_without_a_name_is_kept_without_its_environment() -> None:
    log = collect(UniformPolicy(), USERS, episodes=3, max_episode_steps=3)
    found = to_minari(log, "llmrec/own/random-v1")
    assert found.env_spec is None
    assert found.total_steps == len(log)


def test_a_dataset_is_never_replaced(log: CollectedLog) -> None:
    assert not is_written(ID, log.about)
    to_minari(log, ID)
    assert is_written(ID, log.about)
    with pytest.raises(SettingError, match="another dataset"):
        to_minari(log, ID)
    with pytest.raises(SettingError, match="another dataset"):
        is_written(ID, {**log.about, "seed": 1})
    with pytest.raises(SettingError, match="namespace/name-v0"):
        to_minari(log, "random")
