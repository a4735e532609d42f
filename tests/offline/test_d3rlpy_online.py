"""One observation behind both doors: learn offline, be judged among users, go on online."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from llmrec_env.common.errors import DataError, SettingError, SimulatorError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.base import BESIDE_STATE
from llmrec_env.users.language import embedded_user
from llmrec_env.users.true_taste import TrueTasteUser

d3rlpy = pytest.importorskip("d3rlpy")
from llmrec_env.offline.d3rlpy import (  # noqa: E402
    ALGORITHMS,
    D3rlpyPolicy,
    HistoryEncoderFactory,
    TransitionsDataset,
    to_mdp_dataset,
    train,
)

USER = TrueTasteUser(generate_world(seed=2, n_items=40, n_users=12))
TABLE = transitions(USER.users, USER, augment=1)


def make(observation: str = "bare_state") -> Any:
    return gym.make(
        "LLMRec/NextItem-v1", simulator=USER, observation=observation, max_episode_steps=5
    )


def test_what_learned_offline_is_evaluated_and_goes_on_online(tmp_path: Path) -> None:
    algo = d3rlpy.algos.DQNConfig(batch_size=16, target_update_interval=10).create()
    train(algo, to_mdp_dataset(TABLE), n_steps=5)
    env = make()
    evaluator = d3rlpy.metrics.EnvironmentEvaluator(env, n_trials=2)
    assert 0.0 <= evaluator(algo, to_mdp_dataset(TABLE)) <= 5.0
    buffer = d3rlpy.dataset.create_fifo_replay_buffer(100, env=env)
    algo.fit_online(
        env,
        buffer,
        n_steps=12,
        n_steps_per_epoch=6,
        update_start_step=2,
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
    )
    assert evaluate_policy(D3rlpyPolicy(algo), USER, episodes=2, max_episode_steps=5) is not None


def test_dataset_and_environment_have_one_space() -> None:
    env = make()
    dataset = to_mdp_dataset(TABLE)
    assert dataset.dataset_info.observation_signature.shape[0] == env.observation_space.shape
    observation, _ = env.reset(seed=0)
    with_patience, _ = make("state").reset(seed=0)
    np.testing.assert_array_equal(observation, with_patience[: len(observation)])
    assert env.observation_space.contains(observation)


@pytest.mark.parametrize("user", [USER, embedded_user()])
def test_preferences_read_states_and_observations_alike(user: Any) -> None:
    kwargs = {"simulator": user, "num_envs": 2}
    wide, _ = gym.make_vec("LLMRec/NextItem-v1", **kwargs).reset(seed=0)
    bare, _ = gym.make_vec("LLMRec/NextItem-v1", observation="bare_state", **kwargs).reset(seed=0)
    told = user.state_size + BESIDE_STATE
    for observations in (wide, wide[:, :told]):
        np.testing.assert_allclose(
            user.preferences(observations), user.preferences(bare), rtol=1e-5
        )
    with pytest.raises(SimulatorError, match="expected states of"):
        user.preferences(wide[:, : told + 7])
    with pytest.raises(SimulatorError, match="expected states of"):
        user.preferences(bare[:, :-1])
    with pytest.raises(SimulatorError, match="expected states of"):
        user.preferences(bare[0])


def test_episodes_are_the_users_logs_alone() -> None:
    dataset = to_mdp_dataset(TABLE)
    assert dataset.transition_count == len(TABLE)
    assert dataset.size() == len(dataset.episodes) == USER.users.n_users
    assert len(dataset.augmented_episodes) == int(TABLE.augmented.sum())
    lengths = sorted(len(episode) for episode in dataset.episodes)
    assert lengths == sorted(USER.users.lengths - 1)
    assert all(episode.terminated for episode in dataset.episodes)


def test_initial_states_are_those_of_users() -> None:
    algo = d3rlpy.algos.DQNConfig(batch_size=16).create()
    with_added, without = to_mdp_dataset(TABLE), to_mdp_dataset(TABLE, augmented=False)
    train(algo, with_added, n_steps=2)
    evaluate = d3rlpy.metrics.InitialStateValueEstimationEvaluator()
    assert evaluate(algo, with_added) == pytest.approx(evaluate(algo, without))
    assert without.transition_count == int((~TABLE.augmented).sum())
    assert not without.augmented_episodes


def test_trajectories_are_of_logged_sequences() -> None:
    dataset = to_mdp_dataset(TABLE)
    logged = {episode.observations.tobytes() for episode in dataset.episodes}
    firsts = {row.tobytes() for episode in dataset.episodes for row in episode.observations}
    assert len(logged) == USER.users.n_users
    np.random.seed(0)  # noqa: NPY002
    for _ in range(200):
        part = dataset.sample_trajectory(3)
        real = np.asarray(part.observations)[np.asarray(part.masks) > 0]
        assert all(row.tobytes() in firsts for row in real)


def test_the_size_of_the_catalogue_is_kept_in_a_file() -> None:
    dataset = to_mdp_dataset(TABLE)
    file = io.BytesIO()
    dataset.dump(file)
    again = TransitionsDataset.load(io.BytesIO(file.getvalue()))
    assert again.dataset_info.action_size == TABLE.n_items
    assert again.transition_count == dataset.transition_count
    assert len(again.augmented_episodes) == len(dataset.augmented_episodes)
    for one, other in zip(again.episodes, dataset.episodes, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
        np.testing.assert_array_equal(one.actions, other.actions)
    foreign = io.BytesIO()
    d3rlpy.dataset.dump(dataset.buffer.episodes, foreign)
    for content in (foreign.getvalue(), b"nothing"):
        with pytest.raises(DataError, match="how large the catalogue is"):
            TransitionsDataset.load(io.BytesIO(content))


def test_making_a_dataset_draws_from_no_global_generator() -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    to_mdp_dataset(TABLE)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert np.random.get_state()[2] == 624  # noqa: NPY002


def test_scaled_item_indices_are_refused_by_name() -> None:
    scaler = d3rlpy.preprocessing.MinMaxObservationScaler()
    encoder = HistoryEncoderFactory(USER.n_items)
    config = d3rlpy.algos.DQNConfig(
        batch_size=16, encoder_factory=encoder, observation_scaler=scaler
    )
    with pytest.raises(SettingError, match=r"index of no item.*observation scaler"):
        train(config.create(), to_mdp_dataset(USER.users, history_length=4), n_steps=2)


def test_our_algorithms_learn_on_both_doors() -> None:
    algo = ALGORITHMS["dqn"].create(TABLE.kind, TABLE.n_items)
    train(algo, to_mdp_dataset(TABLE), n_steps=1)
    observation, _ = make("state").reset(seed=0)
    bare, _ = make().reset(seed=0)
    policy = D3rlpyPolicy(algo)
    np.testing.assert_array_equal(policy.action_scores(observation), policy.action_scores(bare))
