"""Frames of the session, and Gymnasium's own stack of observations."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.wrappers import FlattenObservation, FrameStackObservation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_by_row import alone, together
from test_vector import MODES

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.wrappers import SessionHistory, VectorSessionHistory
from llmrec_env.users.item_space import item_space_of
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*different from the unwrapped version"),
]
ID = "LLMRec/TrueTaste-v1"


def test_the_checker_has_nothing_to_say(true_user: TrueTasteUser) -> None:
    check_env(SessionHistory(gym.make(ID, simulator=true_user)), skip_render_check=True)
    flat = FlattenObservation(SessionHistory(gym.make(ID, simulator=true_user), length=3))
    check_env(flat, skip_render_check=True)
    assert len(flat.observation_space.shape) == 1


def test_a_frame_tells_what_was_seen_and_shown_and_what_came_of_it(even_user: EvenUser) -> None:
    inside = gym.make(ID, simulator=even_user)
    env = SessionHistory(gym.make(ID, simulator=even_user), length=3)
    points = item_space_of(even_user).points
    size = points.shape[1]
    seen = [inside.reset(options={"user_id": "ann"})[0]]
    frames, _ = env.reset(options={"user_id": "ann"})
    assert not frames[:2].any()
    np.testing.assert_array_equal(frames[2], [*seen[0], *np.zeros(size + 2)])
    for item in (6, 5, 8):
        seen.append(inside.step(item)[0])
        frames, *_ = env.step(item)
    for frame, was, item, answer in zip(frames, seen[1:], (5, 8), (-1, 1), strict=False):
        np.testing.assert_allclose(frame, [*was, *points[item], answer, item / 100], rtol=1e-6)
    np.testing.assert_array_equal(frames[2], [*seen[3], *np.zeros(size + 2)])
    assert frames in env.observation_space


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_each_row_is_the_single_environment_with_its_own_seed(
    true_user: TrueTasteUser, data: st.DataObject
) -> None:
    num_envs = data.draw(st.integers(1, 4), label="num_envs")
    seed = data.draw(st.integers(0, 1_000), label="seed")
    length = data.draw(st.integers(1, 5), label="length")
    autoreset = data.draw(st.sampled_from(MODES), label="autoreset")
    kwargs: dict[str, Any] = {
        "simulator": true_user,
        "patience": data.draw(st.integers(1, 4), label="patience"),
        "shown_length": data.draw(st.sampled_from([0, 5]), label="shown_length"),
        "max_episode_steps": data.draw(st.sampled_from([1, 3, 50]), label="limit"),
        "action_mask": True,
    }
    actions = np.random.default_rng(seed).integers(60, size=(20, num_envs))
    envs = gym.make_vec(ID, num_envs=num_envs, autoreset=autoreset, **kwargs)
    envs = VectorSessionHistory(envs, length)
    rows = together(envs, seed, actions)
    for i, row in enumerate(rows):
        env = SessionHistory(gym.make(ID, **kwargs), length)
        expected = list(alone(env, seed + i, actions[:, i].tolist(), autoreset))
        assert len(row) == len(expected)
        for mine, theirs in zip(row, expected, strict=True):
            assert mine[0] in envs.single_observation_space
            assert data_equivalence(mine, theirs, exact=True)


@pytest.mark.parametrize("observation", ["state", "history", "both"])
def test_gymnasiums_own_stack_goes_around_ours(observation: str, true_user: TrueTasteUser) -> None:
    inside = gym.make(ID, simulator=true_user, observation=observation)
    env = FrameStackObservation(inside, stack_size=4)
    frames, _ = env.reset(seed=0)
    assert frames in env.observation_space
    frames, *_ = env.step(3)
    assert frames in env.observation_space
    first = next(iter(frames.values())) if isinstance(frames, dict) else frames
    assert len(first) == 4


def test_wrong_settings_are_refused(true_user: TrueTasteUser) -> None:
    with pytest.raises(SettingError, match="length must be a whole number of at least 1"):
        SessionHistory(gym.make(ID, simulator=true_user), length=0)
    both = gym.make(ID, simulator=true_user, observation="both")
    with pytest.raises(SettingError, match="frames are made of observations that are flat"):
        SessionHistory(both)
