"""Every algorithm of d3rlpy for discrete actions: learns offline, is judged, goes on online."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

d3rlpy = pytest.importorskip("d3rlpy")
from d3rlpy_world import STEPS, TABLE, configs, make, small  # noqa: E402

from llmrec_env.common.errors import DataError  # noqa: E402
from llmrec_env.offline.d3rlpy import D3rlpyPolicy, to_mdp_dataset, train, train_online  # noqa: E402

CONFIGS = configs("DISCRETE")
DATASET = to_mdp_dataset(TABLE)
Q_FUNCTIONS = [
    d3rlpy.models.MeanQFunctionFactory(),
    d3rlpy.models.QRQFunctionFactory(n_quantiles=4),
    d3rlpy.models.IQNQFunctionFactory(n_quantiles=4, n_greedy_quantiles=4, embed_size=4),
]


def test_none_of_the_librarys_is_forgotten() -> None:
    names = {config.__name__.removesuffix("Config") for config in CONFIGS}
    assert names >= {
        *("DQN", "DoubleDQN", "NFQ", "DiscreteBC", "DiscreteBCQ", "DiscreteCQL", "DiscreteSAC")
    }


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_it_learns_offline_is_judged_among_users_and_goes_on_online(
    config: Any, tmp_path: Path
) -> None:
    env, algo = make(), small(config)
    judge = d3rlpy.metrics.EnvironmentEvaluator(env, n_trials=2)
    rows = train(algo, DATASET, n_steps=4, log_every=2, evaluators={"environment": judge})
    assert [row["step"] for row in rows] == [2, 4]
    assert all(0.0 <= row["environment"] <= STEPS for row in rows)
    shown = algo.predict(TABLE.state[:50])
    policy = D3rlpyPolicy(algo)
    np.testing.assert_array_equal(policy.action_scores(TABLE.state[:50]).argmax(axis=1), shown)
    policy.save(tmp_path / "policy")
    again = D3rlpyPolicy.load(tmp_path / "policy")
    np.testing.assert_array_equal(
        again.action_scores(TABLE.state), policy.action_scores(TABLE.state)
    )
    rows = train_online(algo, env, n_steps=16, log_every=8, update_start_step=2)
    assert [row["step"] for row in rows] == [8, 16]
    assert 0.0 <= judge(algo, DATASET) <= STEPS


@pytest.mark.parametrize("q_function", Q_FUNCTIONS, ids=lambda q: q.get_type())
@pytest.mark.parametrize(
    "config", [c for c in CONFIGS if hasattr(c(), "q_func_factory")], ids=lambda c: c.__name__
)
def test_any_kind_of_q_function_scores_items_as_the_algorithm_does(
    config: Any, q_function: Any
) -> None:
    algo = small(config, q_func_factory=q_function)
    train(algo, DATASET, n_steps=3)
    states = TABLE.state[:50]
    best = D3rlpyPolicy(algo).action_scores(states).argmax(axis=1)
    np.testing.assert_array_equal(best, algo.predict(states))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.__name__)
def test_fitted_q_evaluation_estimates_what_it_would_earn(config: Any) -> None:
    algo = small(config)
    train(algo, DATASET, n_steps=2)
    estimate = d3rlpy.metrics.InitialStateValueEstimationEvaluator()
    settings = d3rlpy.ope.FQEConfig(gamma=0.5, learning_rate=1e-2, batch_size=64)
    judge = d3rlpy.ope.DiscreteFQE(algo, settings)
    rows = train(judge, DATASET, n_steps=60, evaluators={"value": estimate})
    liking = TABLE.reward.min(), TABLE.reward.max()
    assert liking[0] / 2 < rows[-1]["value"] < 2 * liking[1] * 1.1
    with pytest.raises(DataError, match="give the algorithm that it judged"):
        D3rlpyPolicy(judge)
