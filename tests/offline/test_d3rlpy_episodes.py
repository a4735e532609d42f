"""Episodes that are episodes: of logs, of somebody who acts, and for decision transformers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

d3rlpy = pytest.importorskip("d3rlpy")
from d3rlpy_world import STEPS, TABLE, USER, configs, make, small  # noqa: E402

from llmrec_env.common.errors import DataError, SettingError  # noqa: E402
from llmrec_env.data.world.generated import generate_world  # noqa: E402
from llmrec_env.offline.d3rlpy import (  # noqa: E402
    D3rlpyPolicy,
    HistoryEncoderFactory,
    collect_episodes,
    to_mdp_dataset,
    train,
    train_online,
)
from llmrec_env.users.true_taste import TrueTasteUser  # noqa: E402

LOGGED = TABLE.rows(~TABLE.augmented)


def transformer(config: Any, **options: Any) -> Any:
    return small(config, **({"context_size": 4, "num_heads": 2, "num_layers": 1} | options))


@pytest.mark.parametrize("most", [1, 3, 4, 1000])
def test_a_cut_log_has_the_same_transitions(most: int) -> None:
    whole, cut = to_mdp_dataset(TABLE), to_mdp_dataset(TABLE, max_episode_steps=most)
    assert cut.transition_count == whole.transition_count
    assert max(episode.transition_count for episode in cut.episodes) <= most
    for index in range(cut.transition_count):
        one, other = (d.transition_picker(*d.buffer[index]) for d in (whole, cut))
        np.testing.assert_array_equal(one.observation, other.observation)
        np.testing.assert_array_equal(one.next_observation, other.next_observation)
        assert (one.action, one.reward, one.terminal) == (
            other.action,
            other.reward,
            other.terminal,
        )


def test_the_return_to_go_is_what_the_rest_of_the_episode_pays() -> None:
    cut = to_mdp_dataset(TABLE, max_episode_steps=STEPS)
    users = [LOGGED.reward[LOGGED.user == user] for user in np.unique(LOGGED.user)]
    parts = [part[first : first + STEPS] for part in users for first in range(0, len(part), STEPS)]
    assert len(parts) == cut.size()
    for episode, rewards in zip(cut.episodes, parts, strict=True):
        for end in range(episode.transition_count):
            window = cut.trajectory_slicer(episode, end, 3)
            real = np.flatnonzero(window.masks)
            first = int(window.timesteps[real[0]]) - 1
            togo = rewards[first:][::-1].cumsum()[::-1][: len(real)]
            np.testing.assert_allclose(window.returns_to_go[real, 0], togo, rtol=1e-5, atol=1e-5)


def test_windows_hold_one_user_each() -> None:
    dataset = to_mdp_dataset(TABLE, max_episode_steps=STEPS)
    owner = {
        (state.tobytes(), int(action)): int(user)
        for state, action, user in zip(LOGGED.state, LOGGED.action, LOGGED.user, strict=True)
    }
    for _ in range(300):
        part = dataset.sample_trajectory(4)
        real = np.flatnonzero(part.masks)
        owners = {owner[part.observations[i].tobytes(), int(part.actions[i, 0])] for i in real}
        assert len(owners) == 1


@pytest.mark.parametrize("acted", [False, True], ids=["log", "acted"])
@pytest.mark.parametrize("config", configs("DISCRETE", transformer=True), ids=lambda c: c.__name__)
def test_a_decision_transformer_learns_and_acts(config: Any, acted: bool) -> None:
    env = make(observation="state" if acted else "bare_state")
    if acted:
        dataset = collect_episodes(env, lambda _: env.action_space.sample(), episodes=6)
    else:
        dataset = to_mdp_dataset(TABLE, max_episode_steps=STEPS)
    algo = transformer(config)
    rows = train(algo, dataset, 4, log_every=2, eval_env=env, eval_target_return=3.0)
    assert all(0.0 <= row["environment"] <= STEPS and np.isfinite(row["loss"]) for row in rows)
    player = algo.as_stateful_wrapper(3.0, d3rlpy.algos.GreedyTransformerActionSampler())
    assert 0.0 <= d3rlpy.metrics.evaluate_transformer_with_environment(player, env, 2) <= STEPS
    with pytest.raises(DataError, match="as_stateful_wrapper"):
        D3rlpyPolicy(algo)


def test_more_steps_than_a_transformer_knows_are_refused() -> None:
    algo = transformer(d3rlpy.algos.DiscreteDecisionTransformerConfig, max_timestep=STEPS)
    with pytest.raises(DataError, match=r"longest episode has \d+ steps.*max_timestep=5"):
        train(algo, to_mdp_dataset(TABLE), n_steps=1)
    train(algo, to_mdp_dataset(TABLE, max_episode_steps=STEPS), n_steps=1)
    with pytest.raises(SettingError, match="learns from datasets alone"):
        train_online(algo, make(), n_steps=1)


def test_what_does_not_fit_together_is_said_at_the_door() -> None:
    items, points = to_mdp_dataset(TABLE), to_mdp_dataset(TABLE, USER, actions="embedding")
    dqn, td3 = small(d3rlpy.algos.DQNConfig), small(d3rlpy.algos.TD3Config)
    with pytest.raises(SettingError, match=r"DQN chooses items, and .* are points"):
        train(dqn, points, 1)
    with pytest.raises(SettingError, match=r"TD3 chooses points, and .* are items"):
        train(td3, items, 1)
    with pytest.raises(SettingError, match="learns from to_mdp_dataset"):
        train(dqn, TABLE, 1)
    with pytest.raises(SettingError, match="n_steps must be a whole number of at least 1"):
        train(dqn, items, 0)
    judge = d3rlpy.metrics.EnvironmentEvaluator(make(observation="state"))
    with pytest.raises(SettingError, match="observation='bare_state'"):
        train(dqn, items, 1, evaluators={"environment": judge})
    train(dqn, items, 1)
    with pytest.raises(SettingError, match="observation='bare_state'"):
        train_online(dqn, make(observation="state"), 1)
    with pytest.raises(SettingError, match=r"actions of size 40.*LLMRec/NextItem-v1"):
        train_online(dqn, make("LLMRec/ItemEmbedding-v0"), 1)
    with pytest.raises(SettingError, match="actions of size 40"):
        train(dqn, items, 1, evaluators={"few": d3rlpy.metrics.EnvironmentEvaluator(other())})


def other() -> Any:
    """Users of another catalogue, whose states have the same length."""
    user = TrueTasteUser(generate_world(seed=2, n_items=30, n_users=12))
    return gym.make("LLMRec/NextItem-v1", simulator=user, observation="bare_state")


@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("observation", ["state", "bare_state", "history"])
def test_collected_episodes_are_those_of_the_environment(observation: str, patience: int) -> None:
    env = gym.wrappers.RecordEpisodeStatistics(make(observation=observation, patience=patience))
    dataset = collect_episodes(env, lambda _: env.action_space.sample(), episodes=8, seed=3)
    assert dataset.size() == 8
    lengths = np.array([episode.transition_count for episode in dataset.episodes])
    np.testing.assert_array_equal(lengths, np.array(env.length_queue).ravel())
    earned = [episode.compute_return() for episode in dataset.episodes]
    np.testing.assert_allclose(earned, np.array(env.return_queue).ravel(), rtol=1e-5)
    assert all(e.terminated or e.transition_count == STEPS for e in dataset.episodes)
    signature = dataset.dataset_info.observation_signature
    assert signature.shape[0] == env.observation_space.shape
    assert signature.dtype[0] == env.observation_space.dtype
    assert dataset.dataset_info.action_size == USER.n_items
    again = collect_episodes(env, lambda _: env.action_space.sample(), episodes=8, seed=3)
    assert earned == [episode.compute_return() for episode in again.episodes]


def test_collected_episodes_are_learned_from_and_gone_on_with() -> None:
    env = make(observation="state", patience=1)
    dataset = collect_episodes(env, lambda _: env.action_space.sample(), episodes=12)
    algo = small(d3rlpy.algos.DQNConfig)
    judge = d3rlpy.metrics.EnvironmentEvaluator(env, n_trials=2)
    train(algo, dataset, 2, evaluators={"environment": judge})
    before = dataset.transition_count
    train_online(algo, env, n_steps=10, buffer=dataset)
    assert dataset.transition_count > before


def test_what_is_done_online_joins_the_log() -> None:
    dataset, algo = to_mdp_dataset(TABLE), small(d3rlpy.algos.DQNConfig)
    train(algo, dataset, 2)
    before = dataset.size()
    train_online(algo, make(), n_steps=12, buffer=dataset)
    assert dataset.size() > before
    assert all(len(dataset.sample_trajectory(3)) == 3 for _ in range(50))


def test_the_same_seed_does_the_same_online() -> None:
    learned = []
    for _ in range(2):
        algo, env = small(d3rlpy.algos.DQNConfig), make()
        explorer = d3rlpy.algos.ConstantEpsilonGreedy(0.5)
        rows = train_online(algo, env, n_steps=30, seed=4, log_every=10, explorer=explorer)
        earned = [row["rollout_return"] for row in rows if "rollout_return" in row]
        learned.append((earned, D3rlpyPolicy(algo).action_scores(TABLE.state[:5]).tolist()))
    assert learned[0] == learned[1]


def test_what_d3rlpy_does_not_know_is_said_at_the_door() -> None:
    env = make(observation="both")
    with pytest.raises(SettingError, match="d3rlpy reads arrays"):
        collect_episodes(env, lambda _: 0, 1)
    with pytest.raises(SettingError, match="one environment at a time"):
        collect_episodes(gym.make_vec("LLMRec/TrueTaste-v1", num_envs=2), lambda _: 0, 1)
    with pytest.raises(SettingError, match="episodes must be a whole number of at least 1, got 0"):
        collect_episodes(make(), lambda _: 0, 0)
    with pytest.raises(SettingError, match="max_episode_steps must be a whole number"):
        to_mdp_dataset(TABLE, max_episode_steps=0)


def test_histories_stand_behind_both_doors_too() -> None:
    dataset = to_mdp_dataset(USER.users, history_length=6)
    encoder = HistoryEncoderFactory(USER.n_items, embedding_size=4, hidden_size=8)
    algo = d3rlpy.algos.DQNConfig(batch_size=8, encoder_factory=encoder).create()
    env = make(observation="history", history_length=6)
    judge = d3rlpy.metrics.EnvironmentEvaluator(env, n_trials=1)
    rows = train(algo, dataset, 2, evaluators={"environment": judge})
    assert 0.0 <= rows[0]["environment"] <= STEPS
    train_online(algo, env, n_steps=8, buffer=dataset)


def test_candidates_are_learned_from_collected_episodes() -> None:
    env = make(observation="state", candidates=6)
    dataset = collect_episodes(env, lambda _: env.action_space.sample(), episodes=6)
    assert dataset.dataset_info.action_size == 6
    algo = small(d3rlpy.algos.DiscreteCQLConfig)
    judge = d3rlpy.metrics.EnvironmentEvaluator(env, n_trials=1)
    rows = train(algo, dataset, 2, evaluators={"environment": judge})
    assert 0.0 <= rows[0]["environment"] <= STEPS
    train_online(algo, env, n_steps=8, buffer=dataset)
