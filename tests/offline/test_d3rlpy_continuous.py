"""Every algorithm of d3rlpy for continuous actions, on the points where items lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

d3rlpy = pytest.importorskip("d3rlpy")
from d3rlpy_world import STEPS, TABLE, USER, configs, make, small  # noqa: E402

from llmrec_env.common.errors import DataError, SettingError  # noqa: E402
from llmrec_env.evaluation.returns import evaluate_policy  # noqa: E402
from llmrec_env.offline.d3rlpy import (  # noqa: E402
    D3rlpyPolicy,
    HistoryEncoderFactory,
    TransitionsDataset,
    collect_episodes,
    to_mdp_dataset,
    train,
    train_online,
)
from llmrec_env.offline.d3rlpy.library import seeded  # noqa: E402
from llmrec_env.users.item_space import item_space_of  # noqa: E402

CONFIGS = configs("CONTINUOUS")
POINTS = item_space_of(USER).points
DATASET = to_mdp_dataset(TABLE, USER, actions="embedding")


def make_points(**options: Any) -> Any:
    return make("LLMRec/ItemEmbedding-v0", **options)


def test_none_of_the_librarys_is_forgotten() -> None:
    names = {config.__name__.removesuffix("Config") for config in CONFIGS}
    assert names >= {
        *("AWAC", "BC", "BCQ", "BEAR", "CQL", "CRR", "CalQL", "DDPG", "IQL", "PLAS", "PRDC"),
        *("ReBRAC", "SAC", "TD3", "TD3PlusBC"),
    }


def test_actions_are_the_points_of_the_items_and_the_environments() -> None:
    items = to_mdp_dataset(TABLE)
    assert DATASET.transition_count == items.transition_count == len(TABLE)
    for index in range(len(TABLE)):
        one, other = (d.transition_picker(*d.buffer[index]) for d in (DATASET, items))
        np.testing.assert_array_equal(one.action, POINTS[other.action[0]])
        np.testing.assert_array_equal(one.observation, other.observation)
    env = make_points()
    assert DATASET.dataset_info.action_size == env.action_space.shape[0]
    assert DATASET.dataset_info.observation_signature.shape[0] == env.observation_space.shape
    assert all(env.action_space.contains(point) for point in POINTS)


def test_a_logged_point_shows_its_item() -> None:
    env = make_points()
    env.reset(seed=0)
    for item in np.flatnonzero(env.get_wrapper_attr("rules").seen.unseen_masks()[0])[:STEPS]:
        *_, info = env.step(POINTS[item])
        assert info["item_id"] == USER.catalogue.ids[item]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_it_learns_offline_is_judged_among_users_and_goes_on_online(config: Any) -> None:
    env, algo = make_points(), small(config)
    judge = d3rlpy.metrics.EnvironmentEvaluator(env, n_trials=2)
    rows = train(algo, DATASET, n_steps=4, log_every=2, evaluators={"environment": judge})
    assert [row["step"] for row in rows] == [2, 4]
    assert all(0.0 <= row["environment"] <= STEPS for row in rows)
    with seeded(0):
        named = algo.predict(TABLE.state[:20])
    assert all(env.action_space.contains(point) for point in named)
    nearest = ((named[:, None] - POINTS) ** 2).sum(axis=2).argmin(axis=1)
    best = D3rlpyPolicy(algo, simulator=USER).action_scores(TABLE.state[:20]).argmax(axis=1)
    np.testing.assert_array_equal(best, nearest)
    rows = train_online(algo, env, n_steps=16, log_every=8, update_start_step=2)
    assert [row["step"] for row in rows] == [8, 16]
    assert 0.0 <= judge(algo, DATASET) <= STEPS


@pytest.mark.parametrize("name", ["BC", "TD3PlusBC", "IQL", "CQL"])
def test_fitted_q_evaluation_estimates_what_it_would_earn(name: str) -> None:
    algo = small(getattr(d3rlpy.algos, f"{name}Config"))
    train(algo, DATASET, n_steps=2)
    estimate = d3rlpy.metrics.InitialStateValueEstimationEvaluator()
    settings = d3rlpy.ope.FQEConfig(gamma=0.5, learning_rate=1e-2, batch_size=64)
    judge = d3rlpy.ope.FQE(algo, settings)
    rows = train(judge, DATASET, n_steps=60, evaluators={"value": estimate})
    assert TABLE.reward.min() / 2 < rows[-1]["value"] < 2.2 * TABLE.reward.max()


@pytest.mark.parametrize("acted", [False, True], ids=["log", "acted"])
@pytest.mark.parametrize(
    "config", configs("CONTINUOUS", transformer=True), ids=lambda c: c.__name__
)
def test_a_transformer_learns_and_acts(config: Any, acted: bool) -> None:
    env = make_points(observation="state" if acted else "bare_state")
    dataset: Any = to_mdp_dataset(TABLE, USER, actions="embedding", max_episode_steps=STEPS)
    if acted:
        dataset = collect_episodes(env, lambda _: env.action_space.sample(), episodes=6)
    algo = small(config, context_size=4, num_layers=1)
    rows = train(algo, dataset, 4, log_every=2, eval_env=env, eval_target_return=3.0)
    assert all(0.0 <= row["environment"] <= STEPS for row in rows)
    player = algo.as_stateful_wrapper(3.0)
    assert 0.0 <= d3rlpy.metrics.evaluate_transformer_with_environment(player, env, 2) <= STEPS


@pytest.mark.parametrize("name", ["TD3PlusBC", "IQL"])
def test_points_are_learned_from_histories_too(name: str) -> None:
    table = to_mdp_dataset(USER.users, USER, state="history", actions="embedding")
    encoder = HistoryEncoderFactory(USER.n_items, embedding_size=4, hidden_size=8)
    config = getattr(d3rlpy.algos, f"{name}Config")
    encoders = [option for option in vars(config()) if option.endswith("encoder_factory")]
    algo = config(batch_size=8, **dict.fromkeys(encoders, encoder)).create()
    judge = d3rlpy.metrics.EnvironmentEvaluator(make_points(observation="history"), n_trials=1)
    train(algo, table, 2, evaluators={"environment": judge})
    policy = D3rlpyPolicy(algo, "history", USER)
    assert policy.score_steps([np.array([1, 2, 3])]).shape == (2, USER.n_items)


def test_a_policy_of_points_comes_back_from_its_folder(tmp_path: Path) -> None:
    algo = small(d3rlpy.algos.TD3PlusBCConfig)
    train(algo, DATASET, n_steps=2)
    policy = D3rlpyPolicy(algo, simulator=USER)
    policy.save(tmp_path / "policy")
    back = D3rlpyPolicy.load(tmp_path / "policy")
    np.testing.assert_array_equal(
        back.action_scores(TABLE.state), policy.action_scores(TABLE.state)
    )
    assert evaluate_policy(back, USER, episodes=2, max_episode_steps=STEPS).mean >= 0.0


def test_a_dataset_of_points_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "dataset.h5"
    with path.open("wb") as file:
        DATASET.dump(file)
    with path.open("rb") as file:
        again = TransitionsDataset.load(file)
    assert again.dataset_info == DATASET.dataset_info
    assert again.transition_count == DATASET.transition_count
    assert again.size() == DATASET.size()


def test_where_items_lie_must_be_known() -> None:
    with pytest.raises(SettingError, match="nobody says where items lie"):
        to_mdp_dataset(TABLE, actions="embedding")
    with pytest.raises(SettingError, match=r"of shape \(40, any\); got \(39, 8\)"):
        to_mdp_dataset(TABLE, actions="embedding", item_points=POINTS[1:])
    with pytest.raises(SettingError, match="actions must be 'item' or 'embedding'"):
        to_mdp_dataset(TABLE, actions="points")
    with pytest.raises(DataError, match="belong to a log"):
        to_mdp_dataset(TABLE, USER, actions="embedding", state="history")
    algo = small(d3rlpy.algos.BCConfig)
    train(algo, DATASET, n_steps=1)
    with pytest.raises(SettingError, match="nobody says where items lie"):
        D3rlpyPolicy(algo)
    with pytest.raises(SettingError, match=r"of shape \(any, 8\); got \(40, 3\)"):
        D3rlpyPolicy(algo, item_points=POINTS[:, :3])
