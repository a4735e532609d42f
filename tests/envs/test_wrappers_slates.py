"""Every wrapper but texts goes around lists of items too; copies and pickles of all of them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser
from gymnasium.utils.env_checker import check_env, data_equivalence
from row_by_row import alone, together
from test_vector import MODES

from llmrec_env.common.errors import SettingError
from llmrec_env.envs import wrappers
from llmrec_env.envs.masks import MaskInObservation, VectorMaskInObservation
from llmrec_env.envs.wrappers import DiversityReward, SessionHistory, TextTools
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*different from the unwrapped version"),
]
IDS = ("LLMRec/Slate-v0", "LLMRec/TrueTaste-v1")
NAMES = [name for name in wrappers.__all__ if f"Vector{name}" in wrappers.__all__]
PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    name: (getattr(wrappers, name), getattr(wrappers, f"Vector{name}"))
    for name in NAMES
    if name != "TextTools"
} | {"MaskInObservation": (MaskInObservation, VectorMaskInObservation)}
every_wrapper = pytest.mark.parametrize("name", sorted(PAIRS))


@every_wrapper
def test_the_checker_has_nothing_to_say(name: str, true_user: TrueTasteUser) -> None:
    env = gym.make(IDS[0], simulator=true_user, slate_size=4)
    check_env(PAIRS[name][0](env), skip_render_check=True)


@every_wrapper
@pytest.mark.parametrize("autoreset", MODES)
def test_each_row_is_the_single_environment_with_its_own_seed(
    name: str, autoreset: str, true_user: TrueTasteUser
) -> None:
    if name == "MaskInObservation" and autoreset == "same_step":
        pytest.skip("tests/envs/test_masks.py reads observations within observations")
    single, vector = PAIRS[name]
    kwargs: dict[str, Any] = {"simulator": true_user, "slate_size": 4, "patience": 2}
    kwargs |= {"max_episode_steps": 5, "action_mask": False}
    actions = np.random.default_rng(3).integers(60, size=(15, 3, 4))
    envs = gym.make_vec(IDS[0], num_envs=3, autoreset=autoreset, **kwargs)
    rows = together(vector(envs), 8, actions)
    for i, row in enumerate(rows):
        env = single(gym.make(IDS[0], **kwargs))
        expected = list(alone(env, 8 + i, list(actions[:, i]), autoreset))
        assert len(row) == len(expected)
        for mine, theirs in zip(row, expected, strict=True):
            assert data_equivalence(without_seen(mine), without_seen(theirs), exact=True)


def without_seen(value: Any) -> Any:
    """What a step brought, but for what only the single environment lists: the seen items."""
    if isinstance(value, dict):
        return {name: without_seen(inner) for name, inner in value.items() if name != "seen"}
    return tuple(map(without_seen, value)) if isinstance(value, tuple) else value


@every_wrapper
@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("batched", [False, True])
def test_copies_and_pickles_go_on_alike(
    name: str, id: str, batched: bool, true_user: TrueTasteUser
) -> None:
    kwargs: dict[str, Any] = {"simulator": true_user, "patience": 50}
    if batched:
        env = PAIRS[name][1](gym.make_vec(id, num_envs=2, **kwargs))
    else:
        env = PAIRS[name][0](gym.make(id, **kwargs))
    env.reset(seed=1)
    env.action_space.seed(1)
    env.step(env.action_space.sample())
    others = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    for _ in range(4):
        action = env.action_space.sample()
        mine = env.step(action)
        assert all(data_equivalence(mine, other.step(action)) for other in others)


def test_a_slate_that_is_passed_over_is_no_part_of_the_session(even_user: EvenUser) -> None:
    def made(wrap: Callable[..., Any]) -> Any:
        slate = gym.make(IDS[0], simulator=even_user, slate_size=2, seen="pay_nothing")
        env = wrap(slate)
        env.reset(options={"user_id": "ann"})
        return env

    frames, *_ = made(lambda env: SessionHistory(env, length=2)).step([0, 1])  # both seen
    assert frames[0, -2:].tolist() == [-1.0, 0.0]
    assert not frames[0, made(SessionHistory).env.observation_space.shape[0] : -2].any()
    env = made(lambda env: DiversityReward(env, weight=1.0))
    env.step([0, 1])
    assert env.step([6, 6])[-1]["rewards"]["diversity"] == 0.0  # the first item of the session


def test_texts_are_about_one_item_a_step(true_user: TrueTasteUser) -> None:
    with pytest.raises(SettingError, match="not candidates, points or lists"):
        TextTools(gym.make(IDS[0], simulator=true_user))
