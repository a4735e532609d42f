"""A fitted recommender that is improved among users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from agents import Recommender, RecommenderConfig
from agents.improving import ImproveConfig, ImprovedRecommender, improve
from agents.improving.asking import ask
from agents.improving.policy import LEARNED
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.users.ensemble import UserEnsemble
from llmrec_env.users.true_taste import TrueTasteUser

SHORT = ImproveConfig(
    episodes=90, asked=8, shortlist=20, users_at_once=30, gradient_steps=150, weight=20.0
)


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world(seed=0, n_items=60, n_users=120)


@pytest.fixture(scope="module")
def truth(world: World) -> TrueTasteUser:
    return TrueTasteUser(world)


@pytest.fixture(scope="module")
def fitted(world: World, tiny: Callable[..., RecommenderConfig]) -> Recommender:
    return Recommender(tiny(backbone="gru4rec", epochs=3)).fit(world.log)


@pytest.fixture(scope="module")
def improved(fitted: Recommender, truth: TrueTasteUser) -> ImprovedRecommender:
    return improve(fitted, truth, config=SHORT)


def test_it_begins_as_the_recommender(fitted: Recommender, truth: TrueTasteUser) -> None:
    begun = ImprovedRecommender(fitted, truth, weight=5.0)
    plain, same = (evaluate_policy(policy, truth, episodes=20) for policy in (fitted, begun))
    assert np.array_equal(plain.returns, same.returns)


def test_it_earns_more_than_the_recommender_where_it_was_improved(
    fitted: Recommender, improved: ImprovedRecommender, truth: TrueTasteUser
) -> None:
    gain = evaluate_policy(improved, truth).difference(evaluate_policy(fitted, truth))
    assert gain.low > 0
    alone = evaluate_policy(improved.with_weight(0.0), truth)
    assert alone.difference(evaluate_policy(fitted, truth)).mean == 0


def test_the_same_seed_learns_the_same_and_others_do_not(
    fitted: Recommender, truth: TrueTasteUser
) -> None:
    few = replace(SHORT, episodes=10, gradient_steps=5, steps=2)
    stages: list[np.ndarray[Any, Any]] = []

    def keep(policy: ImprovedRecommender, number: int) -> None:
        stages.append(policy.query.weight.detach().numpy().copy())

    for seed in (0, 0, 1):
        improve(fitted, truth, config=replace(few, seed=seed), keep=keep)
    first, second, again, _, other, _ = stages
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_what_users_are_asked_of_leaves_no_trace_and_is_never_seen(
    fitted: Recommender, truth: TrueTasteUser
) -> None:
    policy = ImprovedRecommender(fitted, truth)
    asked = ask(policy, truth, replace(SHORT, episodes=20), 0, patience=3)
    assert asked.items.shape[1] == 8
    assert asked.patience == 3
    assert all(len(set(row)) == len(row) for row in asked.items.tolist())
    assert set(np.round(asked.beside[:, 0] * 3).astype(int)) <= {1, 2, 3}
    one = ask(policy, truth, replace(SHORT, episodes=20, asked=2), 0, patience=3)
    # however many items are asked about, what is shown and what follows stay the same
    np.testing.assert_array_equal(asked.items[:, 0], one.items[:, 0])
    np.testing.assert_array_equal(asked.follows, one.follows)
    assert (asked.follows >= asked.liking[:, 0] - 1e-6).all()


def test_a_small_catalogue_may_have_fewer_unseen_items_than_are_asked(
    fitted: Recommender, truth: TrueTasteUser
) -> None:
    policy = ImprovedRecommender(fitted, truth)
    config = replace(SHORT, episodes=4, asked=60, shortlist=60)
    asked = ask(policy, truth, config, 0, patience=2)
    assert asked.items.shape[1] == truth.n_items
    assert all(row.count(row[0]) > 1 for row in asked.items.tolist())  # in the place of seen ones
    np.testing.assert_array_equal(
        asked.liking[asked.items == asked.items[:, :1]],
        np.repeat(asked.liking[:, 0], (asked.items == asked.items[:, :1]).sum(axis=1)),
    )


def test_pessimism_takes_what_members_disagree_about(
    fitted: Recommender, world: World, truth: TrueTasteUser
) -> None:
    users = UserEnsemble([truth, TrueTasteUser(world, accept_rate=0.3)])
    policy = ImprovedRecommender(fitted, users)
    plain, doubted = (
        ask(policy, users, replace(SHORT, episodes=5, pessimism=doubt), 0) for doubt in (0.0, 1.0)
    )
    assert (doubted.liking[:5] <= plain.liking[:5] + 1e-6).all()


def test_it_is_saved_and_loaded(
    improved: ImprovedRecommender, truth: TrueTasteUser, tmp_path: Path
) -> None:
    improved.save(tmp_path / "improved")
    loaded = ImprovedRecommender.load(tmp_path / "improved", truth)
    before, after = (evaluate_policy(p, truth, episodes=10) for p in (improved, loaded))
    assert np.array_equal(before.returns, after.returns)
    assert loaded.name == "GRU4Rec supervised, improved"
    save_file({"worth": torch.ones(1)}, tmp_path / "improved" / LEARNED)
    with pytest.raises(DataError, match="damaged or of something else"):
        ImprovedRecommender.load(tmp_path / "improved", truth)


def test_what_cannot_be_improved_is_refused(fitted: Recommender, truth: TrueTasteUser) -> None:
    with pytest.raises(SettingError, match="must be a fitted Recommender, got str"):
        improve("a/folder", truth)  # type: ignore[arg-type]
    other = TrueTasteUser(generate_world(seed=0, n_items=50, n_users=20))
    with pytest.raises(DataError, match="another catalogue"):
        improve(fitted, other)
    with pytest.raises(SettingError, match="discount must lie in"):
        ImproveConfig(discount=1.5)
    with pytest.raises(SettingError, match="temperature"):
        ImproveConfig(temperature=0.0)
    with pytest.raises(SettingError, match="weight must be above 0"):
        ImproveConfig(weight=0)
