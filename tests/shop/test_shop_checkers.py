"""Gymnasium's and stable-baselines3's checks, in every mode, without a warning."""

from __future__ import annotations

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env

import llmrec_env
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.views.observations import OBSERVATIONS, TEXTS

gym.register_envs(llmrec_env)

pytestmark = pytest.mark.filterwarnings("error")
MODES = [(o, m) for o in OBSERVATIONS for m in ("text", "index") if (o, m) != ("features", "text")]


@pytest.mark.parametrize(("observation", "action_mode"), MODES)
@pytest.mark.parametrize("render_mode", [None, "ansi"])
def test_the_checker_has_nothing_to_say(
    observation: str, action_mode: str, render_mode: str | None, small_catalogue: ProductCatalogue
) -> None:
    env = gym.make(
        "LLMRec/Shop-v0",
        catalogue=small_catalogue,
        observation=observation,
        action_mode=action_mode,
        render_mode=render_mode,
    )
    check_env(env.unwrapped)


def test_stable_baselines3_has_nothing_to_say(small_catalogue: ProductCatalogue) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gym.make(
        "LLMRec/Shop-v0", catalogue=small_catalogue, observation="features", action_mode="index"
    )
    checker.check_env(env.unwrapped)


@pytest.mark.parametrize(("observation", "action_mode"), MODES)
def test_random_valid_episodes_stay_in_the_spaces(
    observation: str, action_mode: str, small_catalogue: ProductCatalogue
) -> None:
    env = gym.make(
        "LLMRec/Shop-v0",
        catalogue=small_catalogue,
        observation=observation,
        action_mode=action_mode,
        max_episode_steps=8,
    )
    seen, invalid = env.reset(seed=0)[0], 0
    for episode in range(10):
        seen, info = env.reset(seed=episode)
        done, steps = False, 0
        while not done:
            assert seen in env.observation_space
            choice = int(env.np_random.integers(len(info["valid_actions"])))
            action = choice if action_mode == "index" else info["valid_actions"][choice]
            assert action in env.action_space
            seen, reward, terminated, truncated, info = env.step(action)
            steps, done = steps + 1, terminated or truncated
            invalid += not info["action_is_valid"]
            assert 0.0 <= reward <= 1.0
        assert steps <= 8
        assert bool(info["rewards"]) == terminated
        assert seen in env.observation_space
    assert invalid == 0


def test_settings_that_do_not_exist_are_named(small_catalogue: ProductCatalogue) -> None:
    wrong = {
        "observation": "pixels",
        "action_mode": "mouse",
        "reward": "praise",
        "split": "exam",
        "split_by": "price",
        "instructions": "sung",
        "max_actions": 3,
        "invalid_penalty": -1.0,
        "goals_per_product": 0,
    }
    for name, value in wrong.items():
        with pytest.raises(SettingError, match=name):
            gym.make("LLMRec/Shop-v0", catalogue=small_catalogue, **{name: value})
    with pytest.raises(SettingError, match="index"):
        gym.make("LLMRec/Shop-v0", catalogue=small_catalogue, observation="features")
    assert set(TEXTS) < set(OBSERVATIONS)
