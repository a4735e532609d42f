"""What comes in through an environment's doors: refused where it is wrong, else heard."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import SEQUENCES, EvenUser, make_log
from gymnasium.error import ResetNeeded

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.users.base import Histories

pytestmark = pytest.mark.core
IDS = ("LLMRec/NextItem-v1", "LLMRec/Shop-v0")


class OddStates(EvenUser):
    """Gives other states once somebody has taken more than the initial history."""

    def __init__(self, later: Any) -> None:
        super().__init__(make_log(SEQUENCES))
        self.later = later

    def encode(self, histories: Histories) -> FloatArray:
        """Sound states at first."""
        if max(map(len, histories)) <= 3:
            return super().encode(histories)
        return np.array([self.later for _ in histories], dtype=np.float32)


@pytest.mark.parametrize("later", [(np.nan, 0.0), (50.0, 0.0), (np.inf, 0.0), (0.1, 0.2, 0.3)])
def test_a_simulators_unsound_states_are_refused_at_the_step_that_brings_them(later: Any) -> None:
    envs = gym.make_vec("LLMRec/NextItem-v1", num_envs=2, simulator=OddStates(later))
    envs.reset(seed=0, options={"user_id": ["ann", "bob"]})
    envs.step(np.array([11, 11]))  # skipped: nothing changes
    with pytest.raises(SimulatorError, match="gave states"):
        envs.step(np.array([10, 10]))


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("method", ["render", "action_masks"])
def test_what_needs_an_episode_says_so_before_the_first_reset(name: str, method: str) -> None:
    if "Shop" in name:
        pytest.importorskip("bm25s")  # of the extra "shop"
    single = gym.make(name, render_mode="ansi").unwrapped
    with pytest.raises(ResetNeeded, match=rf"{method}\(\) before reset"):
        getattr(single, method)()
    many = gym.make_vec(name, num_envs=2, render_mode="ansi")
    with pytest.raises(ResetNeeded, match=rf"{method}\(\) before reset"):
        getattr(many.unwrapped, method)()


def test_a_generator_that_is_set_is_heard_at_once(even_user: EvenUser) -> None:
    def probabilities(set_before_reset: bool) -> list[bool]:
        env: Any = gym.make("LLMRec/NextItem-v1", simulator=CoinUser()).unwrapped
        env.reset(seed=5, options={"user_id": "ann"})
        env.np_random = np.random.default_rng(1)
        if set_before_reset:
            env.reset(options={"user_id": "ann"})
        return [env.step(item)[4]["accepted"] for item in (3, 4, 5, 8)]

    assert probabilities(True) == probabilities(False)


class CoinUser(EvenUser):
    """Takes every item with a chance of one half."""

    def __init__(self) -> None:
        super().__init__(make_log(SEQUENCES))

    def answer(self, histories: Histories, actions: Any) -> Any:
        """The same for everyone and everything."""
        response = super().answer(histories, actions)
        half = np.full(len(actions), 0.5, dtype=np.float32)
        return response._replace(accept_probability=half)


@pytest.mark.parametrize("seed", [np.arange(3, 5), (3, 4), [np.int64(3), 4]])
def test_seeds_may_come_as_any_sequence_of_whole_numbers(even_user: EvenUser, seed: Any) -> None:
    envs = gym.make_vec("LLMRec/NextItem-v1", num_envs=2, simulator=even_user)
    envs.reset(seed=seed)
    assert envs.unwrapped.np_random_seed == (3, 4)


@pytest.mark.parametrize("seed", [[0.5, 1], ["a", 1], np.array([0.5, 1.0])])
def test_a_seed_that_is_no_whole_number_is_refused(even_user: EvenUser, seed: Any) -> None:
    envs = gym.make_vec("LLMRec/NextItem-v1", num_envs=2, simulator=even_user)
    with pytest.raises(SettingError, match="a seed must be a whole number"):
        envs.reset(seed=seed)


def test_minus_one_is_no_limit_through_every_door(even_user: EvenUser) -> None:
    one = gym.make("LLMRec/NextItem-v1", simulator=even_user, max_episode_steps=-1)
    many = gym.make_vec("LLMRec/NextItem-v1", 2, simulator=even_user, max_episode_steps=-1)
    assert one.unwrapped.max_episode_steps is None  # type: ignore[attr-defined]
    assert many.unwrapped.max_episode_steps is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("limit", [0, -2, 2.5])
def test_a_limit_that_is_none_is_refused(even_user: EvenUser, limit: Any) -> None:
    with pytest.raises(SettingError, match="max_episode_steps must be at least 1"):
        gym.make_vec("LLMRec/NextItem-v1", 2, simulator=even_user, max_episode_steps=limit)


def test_a_device_of_number_zero_is_not_passed_over(even_user: EvenUser) -> None:
    with pytest.raises(SettingError, match="device"):
        resolve_simulator(even_user, device=0)  # type: ignore[arg-type]
