"""Kendall's tau, regret and inversions of policies among simulated and among true users."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.evaluation.judge_quality import (
    PolicyScores,
    choice_regret,
    judge_quality,
    kendall_tau,
    places,
)
from llmrec_env.evaluation.policy_ranking import policy_ranking

pytestmark = pytest.mark.core


def test_tau_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    pairs = np.random.default_rng(0).integers(-2, 3, size=(50, 2, 6))
    expected = [stats.kendalltau(*pair).statistic for pair in pairs]
    assert kendall_tau(pairs[:, 0], pairs[:, 1]) == pytest.approx(expected, nan_ok=True)


def test_tau_and_regret_are_taken_along_the_last_axis() -> None:
    told = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    true = np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    assert kendall_tau(told, true).tolist() == [1.0, -1.0]
    assert choice_regret(told, true).tolist() == [0.0, 0.75]
    assert np.isnan(choice_regret([1.0, 0.0], [-1.0, -2.0]))


def returns(means: list[float], users: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns of users who differ much, from policies that differ little."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=users) * 5
    return {
        name: mean + own + rng.normal(size=users) * 0.5
        for name, mean in zip("abcdef"[: len(means)], means, strict=True)
    }


def test_a_simulator_that_is_right_has_tau_1_and_no_regret() -> None:
    true = returns([1, 2, 3, 4, 5, 6])
    found = policy_ranking(returns([2, 4, 6, 8, 10, 12], seed=1), true)
    assert found.tau.mean == found.tau_better.mean == 1
    assert found.better == ("f", "e", "d")
    assert found.chosen == found.best == "f"
    assert found.regret.mean == 0
    assert found.inversions == ()
    assert "loses 0.0%" in str(found)


def test_what_the_simulator_flatters_is_named_with_its_price() -> None:
    found = policy_ranking(returns([1, 2, 3, 9, 5, 6], seed=1), returns([1, 2, 3, 4, 5, 6]))
    assert found.chosen == "d"
    assert found.best == "f"
    truth = dict(zip(found.policies, found.true, strict=True))
    assert found.regret.mean == pytest.approx((truth["f"] - truth["d"]) / truth["f"])
    assert found.regret.low > 0
    assert [(i.liked, i.better) for i in found.inversions] == [("d", "f"), ("d", "e")]
    assert all(i.simulated.low > 0 > i.true.high for i in found.inversions)
    assert found.tau.mean == pytest.approx(11 / 15)
    assert found.tau_better.mean == pytest.approx(-1 / 3)
    assert found.tau.low <= found.tau.mean <= found.tau.high


def test_worlds_without_an_order_are_told_in_words() -> None:
    same = {name: np.zeros(4) for name in "abcd"}
    found = policy_ranking(returns([1, 2, 3, 4], users=4), same)
    assert np.isnan([found.tau.mean, found.tau_better.mean, found.regret.mean]).all()
    assert "all earn the same in one world" in str(found)
    assert "no policy earns more than 0" in str(found)
    assert "nan" not in str(found)


def test_users_are_drawn_together_so_what_they_share_widens_nothing() -> None:
    """The users differ by 5, the policies by 1: unpaired, their order would be lost in it."""
    found = policy_ranking(returns([1, 2, 3, 4, 5, 6], seed=1), returns([1, 2, 3, 4, 5, 6]))
    assert found.tau.low > 0.9


def test_what_cannot_be_compared_is_refused() -> None:
    three = {name: np.ones(4) for name in "abc"}
    with pytest.raises(DataError, match=r"only one has \['c', 'd'\]"):
        policy_ranking(three, {name: np.ones(4) for name in "abd"})
    with pytest.raises(DataError, match="2 policies says nothing"):
        policy_ranking({"a": [1.0], "b": [2.0]}, {"a": [1.0], "b": [2.0]})
    with pytest.raises(DataError, match="of 4 and 5 users"):
        policy_ranking(three, {**three, "c": np.ones(5)})
    with pytest.raises(DataError, match="'b' must be finite"):
        policy_ranking(three, {**three, "b": np.full(4, np.nan)})


def test_judges_who_err_apart_are_right_together() -> None:
    """Each flatters another policy, so that the mean of their places flatters none."""
    true = list(returns([1, 2, 3, 4, 5, 6]).values())
    truth = PolicyScores.of_returns(true)
    judges = [
        PolicyScores.of_returns(np.array(true) + 9 * np.eye(6)[flattered][:, None])
        for flattered in (1, 2, 3)
    ]
    alone = [judge_quality(judge, truth) for judge in judges]
    together = judge_quality(PolicyScores.mean_place(judges), truth)
    assert [own.chosen for own in alone] == [1, 2, 3]
    assert together.chosen == 5
    assert together.regret.mean == 0
    assert together.tau.mean > 0.95 > max(own.tau.mean for own in alone)


def test_a_place_does_not_depend_on_the_unit_of_a_judge() -> None:
    told = np.array([[3.0, 1.0, 2.0, 2.0], [0.1, 0.1, 0.1, 0.2]])
    assert places(told).tolist() == [[3, 0, 1.5, 1.5], [1, 1, 1, 3]]
    assert places(1000 * told - 5).tolist() == places(told).tolist()


def test_a_judge_and_the_truth_speak_of_the_same_policies() -> None:
    scores = [PolicyScores.of_returns(np.ones((count, 4)), draws=5) for count in (3, 4)]
    with pytest.raises(DataError, match="3 policies"):
        judge_quality(*scores)
