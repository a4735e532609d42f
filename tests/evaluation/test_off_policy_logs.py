"""Off-policy evaluation of real policies on collected logs, and values learned with d3rlpy."""

from __future__ import annotations

import numpy as np
import pytest
from test_off_policy import ACTIONS, EVALUATED, HORIZON, LOGGING, a_chain

from llmrec_env.common.errors import SettingError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.collecting import collect
from llmrec_env.evaluation.ope import (
    evaluate_on_log,
    item_clusters,
    logged_episodes,
    probabilities_of,
    read_target,
)
from llmrec_env.evaluation.policies import PreferencePolicy
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.evaluation.stochastic import EpsilonGreedy, SoftmaxPolicy
from llmrec_env.users.true_taste import TrueTasteUser


def test_fitted_q_evaluation_learns_the_value_of_a_policy_that_chooses_by_chance() -> None:
    pytest.importorskip("d3rlpy")
    from llmrec_env.evaluation.ope.fitted_q import fitted_values

    chain = a_chain()
    logged, states = chain.log(LOGGING, 150, 0)
    target = read_target(lambda rows: EVALUATED[states[rows]], logged, draws=8)
    values = fitted_values(
        logged,
        target,
        lambda rows: EVALUATED[states[rows]],
        ACTIONS,
        n_steps=300,
        hidden=32,
        learning_rate=1e-2,
        target_update_interval=20,
    )
    q, v = chain.values(EVALUATED)
    steps = np.arange(len(states)) % HORIZON
    assert np.abs(values.state - v[steps, states]).mean() < 0.1
    assert np.abs(values.action - q[steps, states, logged.actions]).mean() < 0.1


@pytest.fixture(scope="module")
def users() -> TrueTasteUser:
    return TrueTasteUser(generate_world(n_items=30, n_users=60))


def test_a_log_tells_what_another_policy_would_earn(users: TrueTasteUser) -> None:
    best = PreferencePolicy(users)
    logging, other = SoftmaxPolicy(best, 1.0), SoftmaxPolicy(best, 0.7)
    settings = {"max_episode_steps": 4}
    log = collect(logging, users, episodes=400, **settings)
    found = evaluate_on_log(
        other, log, values=False, clusters=item_clusters(users, 5), logged_by=logging
    )
    true = np.mean([evaluate_policy(other, users, seed=s, **settings).mean for s in range(5)])
    low, high = found.estimates["SN-PDIS"].value[1:]
    assert low < true < high
    assert set(found.estimates) == {"IS", "SN-IS", "PDIS", "SN-PDIS", "MIS", "SN-MIS"}
    again = evaluate_on_log(logging, log, values=False)
    assert again.estimates["PDIS"].value == pytest.approx(again.logged)
    assert again.estimates["PDIS"].effective_sample_size == pytest.approx(400)


def test_probabilities_are_asked_among_what_was_unseen(users: TrueTasteUser) -> None:
    log = collect(SoftmaxPolicy(PreferencePolicy(users)), users, episodes=3)
    shares = probabilities_of(EpsilonGreedy(PreferencePolicy(users), 0.5), log)(np.arange(len(log)))
    assert shares.sum(axis=1) == pytest.approx(1)
    assert (shares[np.arange(len(log)), log.items] > 0).all()
    assert (shares[~log.allowed(np.arange(len(log)))] == 0).all()
    assert logged_episodes(log).owners.max() == 2
    with pytest.raises(SettingError, match="go together"):
        evaluate_on_log(PreferencePolicy(users), log, clusters=item_clusters(users, 5))


def test_doubly_robust_estimates_of_a_log_come_with_values(users: TrueTasteUser) -> None:
    pytest.importorskip("d3rlpy")
    log = collect(EpsilonGreedy(PreferencePolicy(users), 0.5), users, episodes=20)
    found = evaluate_on_log(EpsilonGreedy(PreferencePolicy(users), 0.3), log, n_steps=5)
    assert {"DM", "DR", "SN-DR"} <= set(found.estimates)
    assert all(np.isfinite(own.value).all() for own in found.estimates.values())
    assert found.estimates["DM"].effective_sample_size is None
    assert not found.estimates["DM"].is_trustworthy
    assert "DM: the learned values say that the log earned 0." in str(found)
