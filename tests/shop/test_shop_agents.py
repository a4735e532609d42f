"""Agents of the shop: what rules, oracle, rollouts and evaluation promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents.shop.compact import CompactConfig, CompactPolicy
from agents.shop.evaluation import choose_goals, evaluate_shopper
from agents.shop.results import ShopResults, bounded_interval, clustered_interval
from agents.shop.rollouts import collect_rollouts, load_rollouts, replay, save_rollouts
from agents.shop.scripted import FirstHit, Oracle, ScriptedBrowser
from agents.shop.shop_pool import ShopObservation, ShopPool
from llmrec_env.common.errors import DataError
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue

pytest.importorskip("bm25s")


@pytest.fixture(scope="module")
def settings(small_catalogue: ProductCatalogue) -> dict[str, Any]:
    return {"catalogue": small_catalogue, "goals_per_product": 3, "split": "test"}


def test_the_oracle_reaches_every_goal_that_a_search_shows(settings: dict[str, Any]) -> None:
    results = evaluate_shopper(Oracle(ShopPool(settings).shop), settings)
    assert results.success.mean == 100.0
    assert results.rewards.min() == 1.0


def test_rules_stand_between_nothing_and_the_oracle(settings: dict[str, Any]) -> None:
    first, browser = (evaluate_shopper(rule, settings) for rule in (FirstHit(), ScriptedBrowser()))
    assert 10.0 < first.success.mean <= browser.success.mean < 100.0
    assert first.lengths.max() <= 15


def test_copying_does_not_solve_paraphrased_goals(small_catalogue: ProductCatalogue) -> None:
    settings = {
        "catalogue": small_catalogue,
        "instructions": "paraphrased",
        "goals_per_product": 3,
        "split": "test",
    }
    assert evaluate_shopper(FirstHit(), settings).success.mean < 20.0
    assert evaluate_shopper(Oracle(ShopPool(settings).shop), settings).success.mean > 90.0


def test_the_oracle_finds_its_way_from_any_page(settings: dict[str, Any]) -> None:
    """After random wandering it still earns 1: that is what labels of mistakes rest on."""
    pool = ShopPool(settings)
    oracle, rng = Oracle(pool.shop), np.random.default_rng(0)
    won = 0
    for goal in range(20):
        observation = pool.begin(0, goal)
        for _ in range(4):
            wander = [
                n for n, action in enumerate(observation.actions) if action != "click[buy now]"
            ]
            observation = pool.step(0, int(rng.choice(wander))).observation
        outcome = None
        while outcome is None or not outcome.ended:
            (action,) = oracle.act([pool.look(0, "dict")])
            outcome = pool.step(0, action)
        won += outcome.success
    assert won >= 18  # the step limit may cut one that wandered to the last page


def test_a_rule_plays_the_plain_environment(settings: dict[str, Any]) -> None:
    env = gym.make("LLMRec/Shop-v0", observation="dict", action_mode="index", **settings)
    observation, info = env.reset(seed=0)
    ended = False
    while not ended:
        (action,) = FirstHit().act([ShopObservation.of(observation, info)])
        observation, reward, terminated, truncated, info = env.step(action)
        ended = terminated or truncated
    assert terminated
    assert reward > 0.0


def test_rollouts_replay_to_the_same_rewards_in_every_form(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    rollouts = collect_rollouts(ScriptedBrowser(), settings, [0, 1, 2])
    save_rollouts(tmp_path / "rollouts.json", rollouts)
    assert load_rollouts(tmp_path / "rollouts.json") == rollouts
    for form in ("features", "text_rich", "dict"):
        decisions = list(replay(rollouts, settings, form))
        said = [decision.observation.actions[decision.action] for decision in decisions]
        assert said == [action for rollout in rollouts for action in rollout.actions]


def test_rollouts_of_another_shop_are_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    rollouts = collect_rollouts(FirstHit(), settings, [0])
    with pytest.raises(DataError, match="belongs to another shop"):
        list(replay(rollouts, {**settings, "goal_seed": 1}, "features"))
    (tmp_path / "rollouts.json").write_text(json.dumps([{"goal": 0}]))
    with pytest.raises(DataError, match="no rollouts"):
        load_rollouts(tmp_path / "rollouts.json")


def test_perfect_rollouts_are_perfect_and_limited(settings: dict[str, Any]) -> None:
    rollouts = collect_rollouts(FirstHit(), settings, range(40), perfect=True, limit=5)
    assert len(rollouts) == 5
    assert all(rollout.reward == 1.0 and rollout.success for rollout in rollouts)


def test_sampled_evaluation_follows_its_seed(settings: dict[str, Any]) -> None:
    policy = CompactPolicy().eval()
    goals = choose_goals(len(ShopPool(settings).shop.goals), 10)
    first, again, other = (
        evaluate_shopper(policy, settings, goals, sample_seed=seed).lengths for seed in (1, 1, 2)
    )
    assert first.tolist() == again.tolist() != other.tolist()


def test_goals_of_one_product_count_as_one_for_the_interval() -> None:
    rng = np.random.default_rng(0)
    products = np.repeat(np.arange(50).astype(str), 20)
    together = np.repeat(rng.integers(0, 2, 50), 20).astype(float)
    mean, low, high = clustered_interval(together, products)
    apart = clustered_interval(together, np.arange(1000).astype(str))
    assert mean == apart.mean == together.mean()
    assert (high - low) / (apart.high - apart.low) == pytest.approx(20**0.5, rel=0.05)


def test_intervals_of_shares_stay_within_0_and_100() -> None:
    products = np.repeat(np.arange(10).astype(str), 3)
    nearly_all = np.full(30, 100.0)
    nearly_all[0] = 0.0
    assert clustered_interval(nearly_all, products).high > 100.0
    mean, low, high = bounded_interval(nearly_all, products, 0.0, 100.0)
    assert 80.0 < low < mean < high == 100.0
    assert bounded_interval(100.0 - nearly_all, products, 0.0, 100.0).low == 0.0
    alone = bounded_interval(nearly_all, np.full(30, "one"), 0.0, 100.0)
    assert (alone.low, alone.high) == (0.0, 100.0)
    results = ShopResults(
        np.arange(30),
        products,
        nearly_all / 100.0,
        nearly_all == 100.0,
        np.ones(30, np.int64),
        np.full(30, np.nan),
    )
    assert results.success.high == results.score.high == 100.0


@pytest.mark.parametrize("relations", [0, 4])
def test_the_compact_policy_is_the_same_alone_and_among_others(
    settings: dict[str, Any], relations: int, tmp_path: Path
) -> None:
    """Padding and the other rows change nothing, nor does saving."""
    policy = CompactPolicy(CompactConfig(relations=relations)).eval()
    rollouts = collect_rollouts(FirstHit(), settings, [0, 1])
    observations = [decision.observation for decision in replay(rollouts, settings, "features")]
    together, values = policy(observations)
    policy.save(tmp_path / "policy")
    loaded = CompactPolicy.load(tmp_path / "policy")
    for row, observation in enumerate(observations):
        alone, value = loaded([observation])
        n = len(observation.actions)
        np.testing.assert_allclose(together[row, :n].detach(), alone[0].detach(), atol=1e-5)
        assert together[row, n:].isinf().all()
        assert together[row, :n].exp().sum().item() == pytest.approx(1.0, abs=1e-5)
        assert values[row].item() == pytest.approx(value.item(), abs=1e-5)


def test_a_folder_without_a_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no compact policy"):
        CompactPolicy.load(tmp_path)
