"""Off-policy estimates on a decision process small enough to be solved exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.evaluation.ope import (
    LoggedEpisodes,
    OffPolicyEvaluation,
    Target,
    Values,
    effective_sample_size,
    evaluate_off_policy,
    read_target,
)
from llmrec_env.evaluation.ope.episodes import cluster_shares

pytestmark = pytest.mark.core
STATES, ACTIONS, HORIZON = 3, 4, 4
CLUSTERS = np.array([0, 0, 1, 1])


@dataclass(frozen=True)
class Chain:
    """A process of a fixed horizon; rewards and moves follow from state and action for certain."""

    reward: Float64Array  # (STATES, ACTIONS)
    move: IntArray  # (STATES, ACTIONS)

    def values(self, policy: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Q (HORIZON, STATES, ACTIONS) and V (HORIZON + 1, STATES) of a policy."""
        q = np.zeros((HORIZON, STATES, ACTIONS))
        v = np.zeros((HORIZON + 1, STATES))
        for step in reversed(range(HORIZON)):
            q[step] = self.reward + v[step + 1][self.move]
            v[step] = (policy * q[step]).sum(axis=1)
        return q, v

    def log(
        self, policy: Float64Array, episodes: int, seed: int
    ) -> tuple[LoggedEpisodes, IntArray]:
        """Episodes of a policy from state 0 on, and the state of each step."""
        rng = np.random.default_rng(seed)
        states = np.zeros(episodes, dtype=np.int64)
        rows = []
        for _ in range(HORIZON):
            actions = (policy[states].cumsum(axis=1) > rng.random((episodes, 1))).argmax(axis=1)
            rows.append((states, actions, self.reward[states, actions], policy[states, actions]))
            states = self.move[states, actions]
        seen, actions, rewards, propensities = (
            np.stack(part, 1).ravel() for part in zip(*rows, strict=True)
        )
        offsets = np.arange(0, episodes * HORIZON + 1, HORIZON)
        observed = np.eye(STATES, dtype=np.float32)[seen]
        left = np.tile(np.arange(HORIZON, 0, -1, dtype=np.float32) / HORIZON, episodes)
        observed = np.concatenate([observed, left[:, None]], axis=1)
        return LoggedEpisodes(offsets, actions, rewards, propensities, observed), seen


def a_chain(by_cluster: bool = False) -> Chain:
    rng = np.random.default_rng(5)
    reward, move = rng.random((STATES, ACTIONS)), rng.integers(STATES, size=(STATES, ACTIONS))
    if by_cluster:
        reward, move = reward[:, CLUSTERS], move[:, CLUSTERS]
    return Chain(reward, move)


def a_policy(seed: int) -> Float64Array:
    shares = np.random.default_rng(seed).dirichlet(np.ones(ACTIONS) * 2, STATES)
    return 0.9 * shares + 0.1 / ACTIONS


LOGGING, EVALUATED = a_policy(1), a_policy(8)


def evaluated(
    chain: Chain, episodes: int, seed: int, wrong: float = 0.0, policy: Float64Array = EVALUATED
) -> OffPolicyEvaluation:
    """All estimates from one log; ``wrong`` is added to every value that was learned."""
    logged, states = chain.log(LOGGING, episodes, seed)
    target = read_target(lambda rows: policy[states[rows]], logged, CLUSTERS)
    q, v = chain.values(policy)
    steps = np.arange(len(states)) % HORIZON
    values = Values(q[steps, states, logged.actions] + wrong, v[steps, states] + wrong)
    shares = cluster_shares(LOGGING[states], CLUSTERS, logged.actions)
    return evaluate_off_policy(logged, target, values, shares, draws=100, seed=seed)


def test_estimates_are_right_on_average_even_with_wrong_values() -> None:
    chain = a_chain()
    true, logged = (chain.values(policy)[1][0, 0] for policy in (EVALUATED, LOGGING))
    assert abs(logged - true) > 0.2  # so that the log's own return would not do
    runs = [evaluated(chain, 100, seed, wrong=0.3).estimates for seed in range(60)]
    for name in ("IS", "PDIS", "DR", "SN-IS", "SN-PDIS", "SN-DR"):
        found = np.array([run[name].value.mean for run in runs])
        slack = 0.02 if name.startswith("SN") else 0.0  # their bias, which more episodes mend
        assert abs(found.mean() - true) < 3 * found.std(ddof=1) / len(found) ** 0.5 + slack
    assert runs[0]["DM"].value.mean == pytest.approx(true + 0.3)


def test_where_only_the_cluster_counts_marginal_estimates_are_right_and_steadier() -> None:
    chain = a_chain(by_cluster=True)
    true = chain.values(EVALUATED)[1][0, 0]
    runs = [evaluated(chain, 100, seed).estimates for seed in range(60)]
    marginal, plain = (np.array([run[n].value.mean for run in runs]) for n in ("MIS", "PDIS"))
    assert abs(marginal.mean() - true) < 3 * marginal.std(ddof=1) / 60**0.5
    assert marginal.std() < 0.7 * plain.std()
    assert runs[0]["MIS"].effective_sample_size > runs[0]["PDIS"].effective_sample_size


def test_with_right_values_doubly_robust_estimates_have_no_error_at_all() -> None:
    chain = a_chain()
    true = chain.values(EVALUATED)[1][0, 0]
    found = evaluated(chain, 20, 0).estimates
    for name in ("DM", "DR", "SN-DR"):
        assert found[name].value == pytest.approx((true, true, true))


def test_learned_values_are_doubted_where_they_do_not_say_what_the_log_earned() -> None:
    chain = a_chain()
    right = evaluated(chain, 60, 0)
    assert right.implied == pytest.approx(right.logged.mean)  # moves and rewards are certain
    assert right.estimates["DM"].is_trustworthy
    assert not any("DM" in warning for warning in right.warnings)
    assert "– effective episodes" in str(right)
    wrong = evaluated(chain, 60, 0, wrong=2.0)
    assert not wrong.estimates["DM"].is_trustworthy
    assert sum("DM: the learned values say" in warning for warning in wrong.warnings) == 1
    few = evaluated(chain, 20, 0)
    assert not few.estimates["DM"].is_trustworthy
    assert "DM" in few.warnings[-1]


def test_self_normalised_estimates_follow_a_shift_of_all_rewards() -> None:
    logged, states = a_chain().log(LOGGING, 50, 0)
    target = read_target(lambda rows: EVALUATED[states[rows]], logged)
    shifted = replace(logged, rewards=logged.rewards + 7.0)
    one, other = (evaluate_off_policy(own, target, draws=50).estimates for own in (logged, shifted))
    for name in ("SN-IS", "SN-PDIS"):
        expected = [bound + 7.0 * HORIZON for bound in one[name].value]
        assert other[name].value == pytest.approx(expected)
    assert other["PDIS"].value.mean - one["PDIS"].value.mean != pytest.approx(7.0 * HORIZON)


def test_the_logging_policy_is_worth_what_it_earned() -> None:
    found = evaluated(a_chain(), 40, 0, policy=LOGGING)
    for name in ("IS", "SN-IS", "PDIS", "SN-PDIS", "MIS"):
        assert found.estimates[name].value == pytest.approx(found.logged)
        assert found.estimates[name].effective_sample_size == pytest.approx(40)
    assert found.warnings == ()


def test_an_effective_sample_is_between_one_episode_and_all() -> None:
    weights = np.random.default_rng(0).pareto(1, size=(50, 20))
    sizes = [effective_sample_size(row) for row in weights]
    assert min(sizes) >= 1
    assert max(sizes) <= 20
    assert effective_sample_size(np.full(20, 3e200)) == pytest.approx(20)
    assert effective_sample_size(np.eye(20)[3]) == 1
    assert effective_sample_size(np.zeros(3)) == 0


def test_episodes_of_one_user_are_one_witness() -> None:
    logged, states = a_chain().log(LOGGING, 60, 0)
    once = replace(logged, owners=np.arange(60))
    again = LoggedEpisodes(
        np.arange(0, 120 * HORIZON + 1, HORIZON),
        *(np.tile(getattr(logged, n), 2) for n in ("actions", "rewards", "propensities")),
        owners=np.tile(np.arange(60), 2),
    )
    own = EVALUATED[states, logged.actions]
    one = evaluate_off_policy(once, Target(own)).estimates["PDIS"].value
    two = evaluate_off_policy(again, Target(np.tile(own, 2))).estimates["PDIS"].value
    assert two == pytest.approx(one)


def test_one_step_at_a_time_an_estimate_is_of_the_reward_at_the_logs_own_steps() -> None:
    chain = a_chain()
    logged, states = chain.log(LOGGING, 400, 0)
    target = read_target(lambda rows: EVALUATED[states[rows]], logged)
    apart = logged.one_step()
    assert (apart.n_episodes, apart.owners.max()) == (1600, 399)
    found = evaluate_off_policy(apart, target).estimates
    true = (EVALUATED * chain.reward).sum(axis=1)[states].mean()
    assert found["SN-IS"].value.low < true < found["SN-IS"].value.high
    whole = evaluate_off_policy(logged, target).estimates
    assert found["IS"].effective_sample_size > 2 * whole["IS"].effective_sample_size


def test_episodes_may_differ_in_length_and_later_rewards_count_less() -> None:
    logged = LoggedEpisodes([0, 1, 3], [0, 1, 0], [1.0, 2.0, 4.0], [0.5, 0.5, 0.25])
    target = Target(np.array([0.25, 1.0, 0.5]))
    found = evaluate_off_policy(logged, target, discount=0.5, draws=10).estimates
    assert found["IS"].value.mean == pytest.approx((0.5 * 1 + 4 * (2 + 0.5 * 4)) / 2)
    assert found["PDIS"].value.mean == pytest.approx((0.5 * 1 + 2 * 2 + 0.5 * 4 * 4) / 2)
    assert found["SN-PDIS"].value.mean == pytest.approx(4.5 / 2.5 + 0.5 * 16 / 4.5)


def test_a_policy_that_the_log_hardly_meets_is_not_believed() -> None:
    logged, states = a_chain().log(LOGGING, 200, 0)
    greedy = np.eye(ACTIONS)[[0, 1, 2]]
    found = evaluate_off_policy(logged, read_target(lambda rows: greedy[states[rows]], logged))
    assert not found.estimates["IS"].is_trustworthy
    assert "fewer than 30 effective episodes of 200" in str(found)
    one_sided = LOGGING * [1, 1, 0, 0]
    only = Chain(a_chain().reward, a_chain().move).log(
        one_sided / one_sided.sum(axis=1, keepdims=True), 200, 0
    )
    told = read_target(lambda rows: np.full((len(rows), ACTIONS), 1 / ACTIONS), only[0])
    assert "1: too few episodes show what this policy would" in str(
        evaluate_off_policy(only[0], told)
    )
    surely = replace(only[0], propensities=np.ones(len(only[0])))
    assert "never shows anything but its first choice" in str(evaluate_off_policy(surely, told))
    with pytest.raises(DataError, match="EpsilonGreedy"):
        evaluate_off_policy(logged, Target(np.zeros(len(logged))))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="propensities must lie above 0"):
        LoggedEpisodes([0, 1], [0], [1.0], [0.0])
    with pytest.raises(DataError, match="offsets must name"):
        LoggedEpisodes([0, 2], [0], [1.0], [0.5])
    logged = LoggedEpisodes([0, 1], [0], [1.0], [0.5])
    with pytest.raises(DataError, match="rows that sum to one"):
        read_target(lambda rows: np.ones((len(rows), 3)), logged)
    with pytest.raises(DataError, match="1 numbers in"):
        evaluate_off_policy(logged, Target(np.ones(2)))
    with pytest.raises(SettingError, match="discount"):
        evaluate_off_policy(logged, Target(np.ones(1)), discount=1.5)
