"""Off-policy estimates of a panel: does the log of one policy tell which others are better?

The log is that of a deployed recommender that explores, among true training users. Nobody of the
panel is asked again: every policy is estimated from that log alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from llmrec_env.common.errors import DataError
from llmrec_env.common.progress import track
from llmrec_env.evaluation.collecting import collect
from llmrec_env.evaluation.judge_quality import kendall_tau
from llmrec_env.evaluation.ope import (
    OffPolicyEvaluation,
    cluster_propensities,
    evaluate_off_policy,
    item_clusters,
    logged_episodes,
    probabilities_of,
    read_target,
)
from llmrec_env.evaluation.ope.collected import NEXT_ACTIONS
from llmrec_env.evaluation.ope.episodes import ROWS, Probabilities
from llmrec_env.evaluation.policies import Policy, RandomPolicy
from llmrec_env.evaluation.stochastic import (
    EpsilonGreedy,
    SoftmaxPolicy,
    StochasticPolicy,
    UniformPolicy,
)
from llmrec_env.experiments.policy_ranking.panel import Panel
from llmrec_env.offline.collected import CollectedLog
from llmrec_env.users.base import UserSimulator

LOGGED_BY = "sasrec"
"""The policy of the panel that is deployed: it draws from the softmax of its scores."""
SOFTENED = 0.1
"""Share of its choices that a policy leaves to chance where it is estimated: a greedy one hardly
meets a log."""
CLUSTERS = 20
FITTING_STEPS = 1000
"""Gradient steps of fitted Q evaluation."""
ONE_STEP = "one-step "
KEPT_ONE_STEP = ("IS", "SN-IS", "MIS", "SN-MIS")
"""Estimators that are not the same as others where every step stands alone."""
Found = dict[str, Any]
"""By estimator: its value, and its effective sample size; None where the log tells nothing."""


def collect_log(policy: Policy, users: UserSimulator, episodes: int, seed: int) -> CollectedLog:
    """What a deployed policy shows to true users, each item with its probability."""
    return collect(SoftmaxPolicy(policy), users, episodes=episodes, seed=seed)


def estimates(
    policy: Policy, logged_by: Policy, log: CollectedLog, panel: Panel, fitting_steps: int
) -> Found:
    """What a log tells of a policy.

    Args:
        policy: to be estimated.
        logged_by: whose softmax collected the log.
        log: what it collected.
        panel: whose simulator says which items are alike.
        fitting_steps: of fitted Q evaluation.
    """
    from llmrec_env.evaluation.ope.fitted_q import fitted_values

    is_chance = isinstance(policy, RandomPolicy)
    softened = UniformPolicy() if is_chance else EpsilonGreedy(policy, SOFTENED)
    clusters = item_clusters(panel.simulator, CLUSTERS, panel.seed)
    episodes, probabilities = logged_episodes(log), _remembered(softened, log)
    target = read_target(probabilities, episodes, clusters, NEXT_ACTIONS, panel.seed)
    values = fitted_values(
        episodes, target, probabilities, log.n_items, fitting_steps, seed=panel.seed
    )
    shares = cluster_propensities(SoftmaxPolicy(logged_by), log, clusters)
    try:
        whole = evaluate_off_policy(episodes, target, values, shares)
        apart = evaluate_off_policy(episodes.one_step(), target, cluster_propensities=shares)
    except DataError:
        return {}
    return _plain(whole) | {
        ONE_STEP + name: own for name, own in _plain(apart).items() if name in KEPT_ONE_STEP
    }


def _remembered(policy: StochasticPolicy, log: CollectedLog) -> Probabilities:
    """A policy's probabilities at all steps, asked once: they are read three times."""
    ask = probabilities_of(policy, log)
    parts = [np.arange(start, min(start + ROWS, len(log))) for start in range(0, len(log), ROWS)]
    told = np.concatenate([ask(rows) for rows in track(parts, "ask the policy")])
    return lambda rows: told[rows]


def orders(found: Mapping[str, Found], true: Mapping[str, float], better: set[str]) -> list[Found]:
    """How well each estimator orders policies.

    Args:
        found: what :func:`estimates` gave, by policy.
        true: their true mean returns.
        better: the better half.

    Returns:
        By estimator "tau" over all and "tau_better" among the better half, the median "effective"
        sample size (None where it has none), and how many policies were "estimated" at all.
    """
    names = dict.fromkeys(name for own in found.values() for name in own)
    rows = []
    for name in names:
        told = [policy for policy in true if found[policy].get(name, {}).get("value") is not None]
        half = [policy for policy in told if policy in better]
        rows.append(
            {
                "estimator": name,
                "tau": _tau(found, true, told, name),
                "tau_better": _tau(found, true, half, name),
                "effective": _median([found[p][name]["effective"] for p in told]),
                "estimated": len(told),
            }
        )
    return rows


def _median(sizes: list[float | None]) -> float | None:
    known = [size for size in sizes if size is not None]
    return float(np.median(known)) if known else None


def _tau(found: Mapping[str, Found], true: Mapping[str, float], some: list[str], name: str) -> Any:
    tau = float(kendall_tau([found[p][name]["value"] for p in some], [true[p] for p in some]))
    return None if np.isnan(tau) else tau


def _plain(evaluation: OffPolicyEvaluation) -> Found:
    return {
        name: {
            "value": own.value.mean if np.isfinite(own.value.mean) else None,
            "effective": own.effective_sample_size,
        }
        for name, own in evaluation.estimates.items()
    }
