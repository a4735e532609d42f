"""One number decides truncation and "steps left", whichever door it came through."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser
from gymnasium.wrappers import TimeLimit

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.registration import MAX_EPISODE_STEPS
from llmrec_env.envs.common.time_limit import tell_limit
from llmrec_env.envs.next_item.env import NextItemEnv
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv

pytestmark = [pytest.mark.core, pytest.mark.filterwarnings("error")]
ID = "LLMRec/NextItem-v1"
LIMITS = [(None, MAX_EPISODE_STEPS), (4, 4), (60, 60), (-1, None)]


def check(env: gym.Env, limit: int | None) -> None:
    """Steps left are counted down to 0, and the episode is cut at 0 and not before."""
    assert env.unwrapped.max_episode_steps == limit
    assert env.reset(options={"user_id": "ann"})[0][EvenUser.STEPS_LEFT] == 1.0
    for step in range(1, 61 if limit is None else limit + 1):
        observation, _, terminated, truncated, _ = env.step(4)
        left = 1.0 if limit is None else 1.0 - step / limit
        assert observation[EvenUser.STEPS_LEFT] == pytest.approx(left, abs=1e-6)
        assert (terminated, truncated) == (False, left == 0.0)


def make(user: EvenUser, **kwargs: Any) -> gym.Env:
    return gym.make(ID, simulator=user, patience=1000, seen="pay_nothing", **kwargs)


@pytest.mark.parametrize(("given", "limit"), LIMITS)
def test_gym_make(even_user: EvenUser, given: int | None, limit: int | None) -> None:
    env = make(even_user, max_episode_steps=given)
    check(env, limit)
    assert env.spec.max_episode_steps == limit


@pytest.mark.parametrize(("given", "limit"), LIMITS)
@pytest.mark.parametrize(
    "again",
    [
        lambda env: gym.make(env.spec),
        lambda env: gym.make(pickle.loads(pickle.dumps(env.spec))),
        copy.deepcopy,
        lambda env: pickle.loads(pickle.dumps(env)),
    ],
    ids=["gym.make(env.spec)", "a pickled spec", "a copy", "a pickled environment"],
)
def test_what_is_made_again_from_an_environment(
    even_user: EvenUser, given: int | None, limit: int | None, again: Callable[[gym.Env], gym.Env]
) -> None:
    check(again(make(even_user, max_episode_steps=given)), limit)


def test_a_spec_takes_another_limit(even_user: EvenUser) -> None:
    spec = make(even_user, max_episode_steps=20).spec
    check(gym.make(spec, max_episode_steps=7), 7)
    check(gym.make(spec, max_episode_steps=-1), None)
    assert gym.make_vec(spec, num_envs=2).unwrapped.max_episode_steps == 20


@pytest.mark.parametrize("checked", [True, False])
def test_the_wrappers_in_between_do_not_matter(even_user: EvenUser, checked: bool) -> None:
    check(make(even_user, max_episode_steps=4, disable_env_checker=not checked), 4)


@pytest.mark.parametrize(("given", "limit"), [(None, MAX_EPISODE_STEPS), (4, 4), (60, 60)])
@pytest.mark.parametrize("mode", [None, "sync", "async"])
def test_every_vector_form(
    even_user: EvenUser, given: int | None, limit: int, mode: str | None
) -> None:
    kwargs = {} if given is None else {"max_episode_steps": given}
    envs = gym.make_vec(
        ID,
        2,
        vectorization_mode=mode,
        simulator=even_user,
        patience=1000,
        seen="pay_nothing",
        **kwargs,
    )
    observation, _ = envs.reset(seed=0)
    assert observation[:, EvenUser.STEPS_LEFT].tolist() == [1.0, 1.0]
    for step in range(1, limit + 1):
        observation, _, terminations, truncations, _ = envs.step(np.array([4, 4]))
        assert not terminations.any()
        np.testing.assert_allclose(
            observation[:, EvenUser.STEPS_LEFT], 1.0 - step / limit, atol=1e-6
        )
        assert truncations.tolist() == [step == limit] * 2
    envs.close()


def test_built_by_hand(even_user: EvenUser) -> None:
    check(NextItemEnv(even_user, patience=1000, seen="pay_nothing"), None)
    check(NextItemEnv(even_user, patience=1000, max_episode_steps=3, seen="pay_nothing"), 3)
    assert NextItemVectorEnv(2, 3, simulator=even_user).max_episode_steps == 3
    with pytest.raises(SettingError, match="max_episode_steps must be at least 1"):
        NextItemEnv(even_user, max_episode_steps=0)


def test_a_time_limit_put_around_by_hand(even_user: EvenUser) -> None:
    check(tell_limit(TimeLimit(make(even_user), 4)), 4)
    check(tell_limit(TimeLimit(make(even_user, max_episode_steps=-1), 4)), 4)
    env = TimeLimit(make(even_user, max_episode_steps=-1), 4)
    env.unwrapped.max_episode_steps = 4
    check(env, 4)
    with pytest.raises(SettingError, match="was not made by"):
        tell_limit(TimeLimit(NextItemEnv(even_user), 4))
