"""Settings of environments: misspelt or wrong ones are refused, some may change later."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import SEQUENCES, EvenUser, make_log

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.users.origin import EMBEDDED

pytestmark = pytest.mark.core
NAME = "LLMRec/NextItem-v1"


def test_a_misspelt_argument_is_refused_with_the_nearest_name(even_user: EvenUser) -> None:
    with pytest.raises(SettingError, match=r"'patiance'; did you mean 'patience'\?"):
        gym.make(NAME, simulator=even_user, patiance=3)
    with pytest.raises(SettingError, match="keyword argument 'zzz'; there is accept_rate"):
        gym.make_vec(NAME, num_envs=2, simulator=even_user, zzz=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'frameskip'"):
        gym.make(NAME, simulator=even_user, frameskip=1)  # TorchRL's GymEnv tries it


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *[("action_mask", value) for value in ("yes", 1, np.ones(2))],
        *[("patience", value) for value in (True, 1.0, 10**30, None, [5])],
        *[("history_length", value) for value in (2.0, -1, 10**12)],
        *[("observation", value) for value in (["state"], np.array(["state"]), None)],
        *[("reward_on", value) for value in ({}, 1)],
        *[("seen", value) for value in ("skip", None, 1)],
        *[("shown_length", value) for value in (-1, 2.0, True, 10**12)],
        *[("actions", value) for value in ("point", None)],
        *[("candidates", value) for value in (0, 13, 2.0, "3")],
        *[("retrieve", value) for value in (3, "le")],
        *[("accept_rate", value) for value in ("0.1", [0.1], True, np.nan, 0, 1)],
        *[("max_episode_steps", value) for value in (True, 2.5, "5", -2)],
        *[("render_mode", value) for value in (["ansi"], "rgb")],
    ],
)
def test_a_wrong_value_is_refused_in_one_line(
    even_user: EvenUser, setting: str, value: Any
) -> None:
    with pytest.raises(SettingError, match=setting) as refused:
        gym.make_vec(NAME, num_envs=2, **{"simulator": even_user, setting: value})
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


def test_users_of_another_catalogue_of_the_same_size_are_refused(even_user: EvenUser) -> None:
    log = make_log(SEQUENCES)
    order = np.arange(log.n_items)[::-1]
    renamed = replace(log, catalogue=log.catalogue.take(order))
    with pytest.raises(DataError, match="users: of another catalogue"):
        gym.make(NAME, simulator=even_user, users=renamed)


def test_patience_may_change_during_an_episode(even_user: EvenUser) -> None:
    env: Any = gym.make(NAME, simulator=even_user, patience=5)
    env.reset(seed=0, options={"user_id": "ann"})
    observation, *_ = env.step(11)  # skipped
    assert observation[EvenUser.PATIENCE_LEFT] == np.float32(4 / 5)
    env.set_wrapper_attr("patience", 2)
    assert env.get_wrapper_attr("patience") == 2
    ends = [env.step(item)[2] for item in (9, 7)]
    assert ends == [False, True]


@pytest.mark.parametrize("vectorization_mode", ["sync", "vector_entry_point"])
def test_all_rows_change_at_once(even_user: EvenUser, vectorization_mode: str) -> None:
    envs = gym.make_vec(NAME, 2, vectorization_mode=vectorization_mode, simulator=even_user)
    envs.reset(seed=0)
    inside: Any = envs.unwrapped
    inside.set_attr("patience", 1)
    inside.set_attr("reward_on", ["accept", "accept"])
    assert inside.get_attr("patience") == (1, 1)
    rewards, terminated = envs.step(np.array([11, 11]))[1:3]
    assert terminated.all()
    assert not rewards.any()


@pytest.mark.parametrize("name", ["observation", "simulator", "accept_rate", "device", "users"])
def test_what_holds_for_good_cannot_be_set(even_user: EvenUser, name: str) -> None:
    env: Any = gym.make(NAME, simulator=even_user)
    many: Any = gym.make_vec(NAME, 2, simulator=even_user)
    for change in (
        lambda: setattr(env.unwrapped, name, "history"),
        lambda: env.set_wrapper_attr(name, "history"),
        lambda: many.unwrapped.set_attr(name, "history"),
    ):
        with pytest.raises(SettingError, match=r"make another environment|no attribute"):
            change()


def test_a_misspelt_setting_cannot_be_set(even_user: EvenUser) -> None:
    env: Any = gym.make(NAME, simulator=even_user)
    many: Any = gym.make_vec(NAME, 2, simulator=even_user)
    for change in (env.unwrapped.set_wrapper_attr, many.unwrapped.set_attr):
        with pytest.raises(SettingError, match="did you mean 'patience'"):
            change("patiance", 1)
    with pytest.raises(SettingError, match="one value"):
        many.unwrapped.set_attr("patience", [1, 2])


def test_a_limit_may_be_set_up_to_that_of_gym_make(even_user: EvenUser) -> None:
    env: Any = gym.make(NAME, simulator=even_user, max_episode_steps=6)
    env.set_wrapper_attr("max_episode_steps", 2)
    env.reset(seed=0)
    assert [env.step(item)[3] for item in (10, 9)] == [False, True]
    with pytest.raises(SettingError, match=r"gym\.make cuts the episodes after 6 steps"):
        env.set_wrapper_attr("max_episode_steps", 7)


def test_a_path_goes_into_the_spec_as_a_text(tmp_path: Path) -> None:
    for make in (gym.make, gym.make_vec):
        spec = make(NAME, simulator=Path(EMBEDDED)).spec
        assert json.loads(spec.to_json())["kwargs"]["simulator"] == str(EMBEDDED)


def test_a_log_is_not_copied_into_specs(even_user: EvenUser) -> None:
    log = make_log(SEQUENCES)
    env: Any = gym.make(NAME, simulator=even_user, users=log)
    assert env.spec.kwargs["users"] is log
    assert env.unwrapped.simulator.users is log
