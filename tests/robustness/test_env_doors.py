"""Whatever comes through an environment's doors: our words, Gymnasium's, or a right result."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction, ResetNeeded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmrec_env.common.errors import LLMRecError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
USER = TrueTasteUser(generate_world(seed=1, n_items=20, n_users=12))
FEW = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ODD: Any = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([10**9, 10**30, -(10**30)]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.lists(st.integers(-3, 3), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(
        [
            *(np.int64(2), np.float32(0.5), np.bool_(True), np.array([1, 2]), np.array("a")),
            *(np.zeros((2, 2)), np.array([], dtype=np.int64), object(), lambda: 3, range(2)),
            *("state", "history", "both", "bare_state", "shown", "accept", "ansi", "human"),
            *("next_step", "same_step", "disabled", "text", "index", "features", "train"),
        ]
    ),
)
NEXT_ITEM = (
    *("observation", "reward_on", "patience", "accept_rate", "history_length", "action_mask"),
    *("users", "simulator", "device", "dtype", "patiance"),
)
SLATE = (
    *NEXT_ITEM,
    *("slate_size", "position_bias", "seen", "shown_length", "candidates", "retrieve"),
)
SHOP = (
    *("instructions", "reward", "split", "split_by", "goals_per_product", "goal_seed"),
    *("observation", "action_mode", "max_actions", "invalid_penalty", "protocol", "gaol_seed"),
)
KEYS = ("user_id", "goal", "reset_mask", "other")
OURS = (LLMRecError, InvalidAction, ResetNeeded)


def in_one_line(error: BaseException) -> None:
    """The message is one line of a length that a person reads."""
    assert "\n" not in str(error)
    assert 0 < len(str(error)) < 600


def make(name: str, many: bool, **kwargs: Any) -> Any:
    """An environment of an id, over few items or products."""
    small = {"catalogue": 30} if "Shop" in name else {"simulator": USER}
    kwargs = small | kwargs
    return gym.make_vec(name, 2, **kwargs) if many else gym.make(name, **kwargs).unwrapped


@pytest.fixture(params=["LLMRec/NextItem-v1", "LLMRec/Slate-v0", "LLMRec/Shop-v0"])
def name(request: pytest.FixtureRequest) -> str:
    """Each kind of environment."""
    if "Shop" in request.param:
        pytest.importorskip("bm25s")  # of the extra "shop"
    return str(request.param)


@FEW
@given(data=st.data(), many=st.booleans(), value=ODD)
def test_arguments(name: str, data: st.DataObject, many: bool, value: Any) -> None:
    known = {"LLMRec/Shop-v0": SHOP, "LLMRec/Slate-v0": SLATE}.get(name, NEXT_ITEM)
    argument = data.draw(st.sampled_from(known))
    try:
        env = make(name, many, **{argument: value})
    except OURS as error:
        in_one_line(error)
        return
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space


@FEW
@given(value=ODD, many=st.booleans())
def test_seeds(name: str, value: Any, many: bool) -> None:
    env = make(name, many)
    env.reset(seed=1)
    first, _ = env.reset(seed=3)
    try:
        env.reset(seed=value)
    except OURS as error:
        in_one_line(error)
    again, _ = env.reset(seed=3)
    assert np.array_equal(first, again) if "Shop" not in name else first == again


@FEW
@given(
    value=ODD, key=st.sampled_from(["user_id", "goal", "reset_mask", "other"]), many=st.booleans()
)
def test_options(name: str, value: Any, key: str, many: bool) -> None:
    env = make(name, many)
    env.reset(seed=0)
    try:
        observation, _ = env.reset(seed=5, options={key: value})
    except OURS as error:
        in_one_line(error)
        return
    assert observation in env.observation_space


@FEW
@given(value=ODD, rows=st.booleans(), many=st.booleans())
def test_actions(name: str, value: Any, rows: bool, many: bool) -> None:
    env = make(name, many)
    env.reset(seed=0)
    try:
        observation, reward, *_ = env.step([value, value] if many and rows else value)
    except OURS as error:
        in_one_line(error)
        env.step(env.action_space.sample())  # it goes on as if nothing had been
        return
    assert observation in env.observation_space
    assert np.isfinite(reward).all()


@FEW
@given(value=ODD, setting=st.sampled_from([*SLATE, *SHOP, "max_episode_steps", "other"]))
def test_settings(name: str, value: Any, setting: str) -> None:
    env = make(name, False)
    env.reset(seed=0)
    try:
        env.set_wrapper_attr(setting, value)
    except OURS as error:
        in_one_line(error)
        return
    env.reset(seed=0)
    observation, *_ = env.step(env.action_space.sample())
    assert observation in env.observation_space


def test_specs_are_json(name: str) -> None:
    kwargs = {} if "Shop" in name else {"simulator": "true-taste"}
    assert json.loads(gym.make(name, **kwargs).spec.to_json())["id"] == name
