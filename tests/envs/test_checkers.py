"""Gymnasium's own checks, over every id in every mode, without a warning."""

from __future__ import annotations

import subprocess
import sys

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import RecordEpisodeStatistics

import llmrec_env
from llmrec_env.envs.common.registration import IDS, SLATE_IDS
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning"),  # v0 stays
]
every_id = pytest.mark.parametrize("name", sorted(IDS | SLATE_IDS))


@every_id
@pytest.mark.parametrize("observation", ["state", "history", "both"])
@pytest.mark.parametrize("render_mode", [None, "ansi", "human"])
def test_the_checker_has_nothing_to_say(
    name: str, observation: str, render_mode: str | None, true_user: TrueTasteUser
) -> None:
    env = gym.make(name, simulator=true_user, observation=observation, render_mode=render_mode)
    check_env(env.unwrapped)


@every_id
def test_a_rollout_through_the_passive_checker_has_nothing_to_say(
    name: str, true_user: TrueTasteUser
) -> None:
    env = RecordEpisodeStatistics(gym.make(name, simulator=true_user, max_episode_steps=6))
    for seed in range(3):
        _, info = env.reset(seed=seed)
        total, steps, done = 0.0, 0, False
        while not done:
            action = env.action_space.sample(info.get("action_mask"))
            _, reward, terminated, truncated, info = env.step(action)
            total, steps, done = total + reward, steps + 1, terminated or truncated
        assert info["episode"]["r"] == pytest.approx(total)
        assert info["episode"]["l"] == steps <= 6


@every_id
def test_an_id_opens_with_its_own_simulator_and_no_argument(name: str) -> None:
    env = gym.make(name)
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert isinstance(env.unwrapped.simulator, UserSimulator)
    observation, reward, *_ = env.step(env.action_space.sample(info.get("action_mask")))
    assert observation in env.observation_space
    assert 0.0 <= reward <= 1.0
    assert gym.make(name).unwrapped.simulator is env.unwrapped.simulator


def test_the_light_names_load_on_first_use() -> None:
    assert llmrec_env.NextItemEnv.__name__ == "NextItemEnv"
    assert "evaluate_policy" in dir(llmrec_env)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = llmrec_env.nonsense


def test_the_import_leaves_tables_and_torch_for_later() -> None:
    code = "import llmrec_env, sys; print({'polars', 'torch', 'rich'} & set(sys.modules))"
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "set()\n"
