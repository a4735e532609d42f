"""Simulated users and environments in a pickle: small, and the same where they are unpickled."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest

from llmrec_env.common.errors import SimulatorError
from llmrec_env.envs.wrappers.return_at_end import VectorReturnAtEnd
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser, embedded_user
from llmrec_env.users.origin import EMBEDDED

pytestmark = pytest.mark.core
DUMPS = pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])


def rewards(user: LanguageUser) -> Any:
    return user.open([user.users.sequence(0)[:5]] * 3).respond(np.array([5, 6, 7])).reward


@DUMPS
def test_loaded_users_are_pickled_by_the_path_of_their_folder(dumps: Any, tmp_path: Path) -> None:
    folder = shutil.copytree(EMBEDDED, tmp_path / "le")
    user = LanguageUser.from_pretrained(folder).with_accept_rate(0.3)
    user.label(user.users.select_users([0]))
    pickled = dumps(user)
    assert len(pickled) < 10_000
    twin = pickle.loads(pickled)
    np.testing.assert_array_equal(rewards(twin), rewards(user))
    assert twin.accept_rate == 0.3
    assert twin.users.user_ids.equals(user.users.user_ids)
    assert twin.preferences(np.zeros((1, user.state_size), np.float32)).shape == (1, user.n_items)


def test_the_users_of_another_log_go_along() -> None:
    user = embedded_user()
    some = user.with_users(user.users.select_users([3, 4]))
    assert pickle.loads(pickle.dumps(some)).users.user_ids.to_list() == list(some.users.user_ids)


def test_a_folder_that_has_changed_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(EMBEDDED, tmp_path / "le")
    pickled = pickle.dumps(LanguageUser.from_pretrained(folder))
    config = folder / "config.json"
    said = json.loads(config.read_text())
    del said["manifest"]
    config.write_text(json.dumps(said))
    with pytest.raises(SimulatorError, match="does not hold the language environment"):
        pickle.loads(pickled)
    shutil.rmtree(folder)
    with pytest.raises(SimulatorError, match="does not hold the language environment"):
        pickle.loads(pickled)


def test_users_of_an_le_that_learns_are_pickled_with_its_tensors() -> None:
    user = LanguageUser(LanguageEnvironment.from_pretrained(EMBEDDED), accept_rate=0.2)
    np.testing.assert_array_equal(rewards(pickle.loads(pickle.dumps(user))), rewards(user))


ENVIRONMENTS: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("LLMRec/NextItem-v1", {"accept_rate": 0.5}, [3, 40, 5]),
    ("LLMRec/TrueTaste-v1", {"accept_rate": 0.5}, [3, 40, 5]),
    ("LLMRec/Slate-v0", {"accept_rate": 0.5, "slate_size": 2}, [[3, 9], [40, 4], [5, 5]]),
    ("LLMRec/Shop-v0", {}, ["search[shoes]", "click[next >]", "click[back to search]"]),
    ("LLMRec/Shop-v0", {"observation": "features", "action_mode": "index"}, [1, 2, 0]),
]


@DUMPS
@pytest.mark.parametrize(("name", "kwargs", "actions"), ENVIRONMENTS)
def test_an_environment_goes_on_where_it_was_pickled(
    dumps: Any, name: str, kwargs: dict[str, Any], actions: list[Any]
) -> None:
    if "Shop" in name:
        pytest.importorskip("bm25s")  # of the extra "shop"
    env = gym.make(name, **kwargs)
    assert len(dumps(env)) < (2_000_000 if "TrueTaste" in name else 100_000)
    env.reset(seed=2)
    env.step(actions[0])
    twin = pickle.loads(dumps(env))
    for action in actions[1:]:
        ours, theirs = env.step(action), twin.step(action)
        assert ours[1:4] == theirs[1:4]
        if isinstance(ours[0], np.ndarray):
            np.testing.assert_array_equal(ours[0], theirs[0])


def carried(value: Any) -> Any:
    """As Ray carries it: numpy's buffers go beside the pickle and come back read-only."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(pickled, buffers=[bytes(buffer.raw()) for buffer in buffers])


@pytest.mark.parametrize(
    ("name", "kwargs", "actions"),
    [
        *ENVIRONMENTS,
        ("LLMRec/NextItem-v1", {"candidates": 5}, [3, 1, 2]),
        ("LLMRec/ItemEmbedding-v0", {}, [np.zeros(16, np.float32)] * 3),
        ("LLMRec/NextItem-v0", {"observation": "history"}, [3, 40, 5]),
    ],
)
def test_an_environment_goes_on_where_its_arrays_came_back_read_only(
    name: str, kwargs: dict[str, Any], actions: list[Any]
) -> None:
    if "Shop" in name:
        pytest.importorskip("bm25s")
    env = gym.make(name, **kwargs)
    new = carried(env)
    env.reset(seed=2)
    new.reset(seed=2)
    assert env.step(actions[0])[1] == new.step(actions[0])[1]
    twin = carried(env)
    for _ in range(2):
        for action in actions[1:]:
            assert env.step(action)[1:4] == twin.step(action)[1:4]
        env.reset(seed=3)
        twin.reset(seed=3)


def test_a_vector_environment_goes_on_where_its_arrays_came_back_read_only() -> None:
    envs = VectorReturnAtEnd(gym.make_vec("LLMRec/NextItem-v1", num_envs=3, patience=2))
    envs.reset(seed=1)
    envs.step(np.array([4, 5, 6]))
    twin = carried(envs)
    for step in range(8):
        actions = np.array([7, 17, 27]) + step
        np.testing.assert_array_equal(envs.step(actions)[1], twin.step(actions)[1])


def test_a_vector_environment_goes_on_where_it_was_pickled() -> None:
    envs = gym.make_vec("LLMRec/NextItem-v1", num_envs=3, accept_rate=0.5, patience=2)
    envs.reset(seed=1)
    envs.step(np.array([4, 5, 6]))
    twin = pickle.loads(pickle.dumps(envs))
    for step in range(5):
        actions = np.array([7, 17, 27]) + step
        np.testing.assert_array_equal(envs.step(actions)[0], twin.step(actions)[0])
