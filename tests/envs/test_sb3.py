"""The environments under stable-baselines3 and sb3-contrib."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.registration import IDS, SLATE_IDS
from llmrec_env.envs.masks import VectorMaskInObservation
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.envs.wrappers import (
    VectorNoveltyReward,
    VectorReturnAtEnd,
    VectorSessionHistory,
    VectorTasteDrift,
)
from llmrec_env.users.true_taste import TrueTasteUser

sb3 = pytest.importorskip("stable_baselines3")
from stable_baselines3.common.env_checker import check_env  # noqa: E402
from stable_baselines3.common.vec_env import VecEnv  # noqa: E402

from llmrec_env.envs.sb3 import NextItemVecEnv, make_vec_env  # noqa: E402

POLICIES = {"state": "MlpPolicy", "history": "MlpPolicy", "both": "MultiInputPolicy"}


@pytest.mark.filterwarnings("ignore:.*out of date:DeprecationWarning")  # v0 stays
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", sorted(IDS | SLATE_IDS))
@pytest.mark.parametrize("observation", POLICIES)
def test_the_checker_has_nothing_to_say(
    name: str, observation: str, true_user: TrueTasteUser
) -> None:
    check_env(gym.make(name, simulator=true_user, observation=observation).unwrapped)


@pytest.mark.parametrize("observation", POLICIES)
def test_ppo_learns_on_the_batched_environment(true_user: TrueTasteUser, observation: str) -> None:
    env = make_vec_env(8, seed=0, simulator=true_user, observation=observation)
    model = sb3.PPO(POLICIES[observation], env, n_steps=16, batch_size=64, n_epochs=1, seed=0)
    model.learn(256)
    assert model.num_timesteps == 256
    assert len(model.ep_info_buffer) > 0


def test_ppo_with_the_same_seed_learns_the_same(true_user: TrueTasteUser) -> None:
    def weights() -> np.ndarray:
        env = make_vec_env(4, seed=3, simulator=true_user)
        model = sb3.PPO("MlpPolicy", env, n_steps=16, batch_size=32, n_epochs=1, seed=3).learn(128)
        return model.policy.action_net.weight.detach().numpy()

    np.testing.assert_array_equal(weights(), weights())


def test_dqn_learns_from_the_last_observation_of_an_episode(true_user: TrueTasteUser) -> None:
    env = make_vec_env(2, seed=0, simulator=true_user, max_episode_steps=3)
    model = sb3.DQN("MlpPolicy", env, learning_starts=8, buffer_size=200, seed=0).learn(64)
    buffer = model.replay_buffer
    ended = buffer.dones[: buffer.pos].astype(bool)
    steps_left = buffer.next_observations[: buffer.pos][..., true_user.state_size + 1]
    assert ended.any()
    assert (steps_left[buffer.timeouts[: buffer.pos].astype(bool)] == 0.0).all()
    assert (steps_left[ended] < 1.0).all()


def test_maskable_ppo_shows_no_met_item(true_user: TrueTasteUser) -> None:
    contrib = pytest.importorskip("sb3_contrib")
    env = make_vec_env(4, seed=0, simulator=true_user)
    model = contrib.MaskablePPO("MlpPolicy", env, n_steps=16, batch_size=32, n_epochs=1, seed=0)
    model.learn(128)
    observation = env.reset()
    for _ in range(20):
        masks = np.stack(env.env_method("action_masks"))
        actions, _ = model.predict(observation, action_masks=masks)
        assert masks[np.arange(4), actions].all()
        observation, *_ = env.step(actions)


def test_wrappers_go_around_the_batched_environment(true_user: TrueTasteUser) -> None:
    wrappers = (VectorTasteDrift, VectorNoveltyReward, VectorReturnAtEnd, VectorSessionHistory)
    env = make_vec_env(4, seed=0, simulator=true_user, max_episode_steps=5, wrappers=wrappers)
    assert env.observation_space.shape[0] == 10  # frames
    env.reset()
    paid, dones, infos = [], [], []
    for item in range(12):
        _, rewards, done, told = env.step(np.full(4, item))
        paid += rewards.tolist()
        dones += done.tolist()
        infos += told
    assert any(dones)
    for reward, done, info in zip(paid, dones, infos, strict=True):
        assert {"novelty", "shown"} <= set(info["rewards"])
        assert done or reward == 0.0
        if done:
            assert info["terminal_observation"].shape == env.observation_space.shape
            assert info["episode"]["r"] == pytest.approx(reward, abs=1e-4)
    model = sb3.PPO("MlpPolicy", env, n_steps=8, batch_size=16, n_epochs=1, seed=0).learn(32)
    assert model.num_timesteps == 32
    masked = VectorMaskInObservation
    assert set(make_vec_env(2, simulator=true_user, wrappers=[masked]).reset()) == {
        "observation",
        "action_mask",
    }


def test_the_single_environment_works_under_stable_baselines3s_own_maker(
    true_user: TrueTasteUser,
) -> None:
    maker = pytest.importorskip("stable_baselines3.common.env_util").make_vec_env
    env = maker("LLMRec/NextItem-v1", n_envs=2, env_kwargs={"simulator": true_user})
    assert env.reset().shape == (2, *env.observation_space.shape)
    assert env.env_method("action_masks")[1].shape == (true_user.n_items,)


def test_infos_tell_what_the_step_brought(even_user: EvenUser) -> None:
    env = vec_env(even_user, patience=1)
    env.set_options([{"user_id": "ann"}, {"user_id": "bob"}])
    env.reset()
    assert [info["user_id"] for info in env.reset_infos] == ["ann", "bob"]
    observation, rewards, dones, infos = env.step(np.array([7, 8]))
    assert rewards.dtype == np.float32
    assert dones.tolist() == [True, False]
    assert infos[0]["user_id"] == "ann"
    assert [info["item_id"] for info in infos] == ["i7", "i8"]
    assert [info["TimeLimit.truncated"] for info in infos] == [False, False]
    np.testing.assert_allclose(infos[0]["terminal_observation"][2:5], [0.0, 0.98, -1.0], rtol=1e-6)
    assert "terminal_observation" not in infos[1]
    assert observation[0, EvenUser.LAST_ANSWER] == 0.0


def test_the_time_limit_alone_counts_as_truncated(even_user: EvenUser) -> None:
    env = vec_env(even_user, patience=1, max_episode_steps=1)
    env.reset()
    infos = env.step(np.array([7, 8]))[3]
    assert [info["TimeLimit.truncated"] for info in infos] == [False, True]


def test_seeds_reach_the_rows(true_user: TrueTasteUser) -> None:
    first, second = (make_vec_env(3, seed=5, simulator=true_user) for _ in range(2))
    np.testing.assert_array_equal(first.reset(), second.reset())
    np.testing.assert_array_equal(first.reset(), second.reset())


def test_rows_are_asked_by_index(even_user: EvenUser) -> None:
    env = vec_env(even_user)
    env.reset()
    assert len(env.env_method("action_masks", indices=[1])) == 1
    assert env.get_attr("n_items", indices=0) == [12]
    assert env.has_attr("action_masks")
    assert not env.has_attr("nonsense")
    with pytest.raises(SettingError, match="by row"):
        env.env_method("step", 0)
    with pytest.raises(SettingError, match="without indices"):
        env.set_attr("render_mode", "ansi", indices=0)


def test_other_environments_are_refused(even_user: EvenUser) -> None:
    with pytest.raises(SettingError, match="same_step"):
        NextItemVecEnv(NextItemVectorEnv(2, simulator=even_user))
    with pytest.raises(SettingError, match="NextItemVectorEnv"):
        NextItemVecEnv(gym.make_vec("CartPole-v1", vectorization_mode="sync"))


def vec_env(simulator: Any, **kwargs: Any) -> VecEnv:
    """Two rows without the monitor around them."""
    return make_vec_env(2, simulator=simulator, **kwargs).venv
