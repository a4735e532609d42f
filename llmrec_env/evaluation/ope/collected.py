"""Off-policy evaluation of the package's policies on the logs of ``llmrec collect``."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require
from llmrec_env.evaluation.ope.episodes import (
    ROWS,
    LoggedEpisodes,
    Probabilities,
    cluster_shares,
    read_target,
)
from llmrec_env.evaluation.ope.evaluation import OffPolicyEvaluation, evaluate_off_policy
from llmrec_env.evaluation.stochastic import stochastic
from llmrec_env.offline.collected import CollectedLog
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.item_space import item_space_of

NEXT_ACTIONS = 8
"""Actions drawn from the evaluated policy at each step, of which values are learned."""


def logged_episodes(log: CollectedLog) -> LoggedEpisodes:
    """A collected log as what estimators read; episodes of one user go together."""
    _, owners = np.unique(log.user_ids.to_numpy(), return_inverse=True)
    return LoggedEpisodes(
        log.offsets,
        log.items,
        log.rewards.astype(np.float64),
        log.propensities,
        log.observations,
        owners.astype(np.int64),
    )


def probabilities_of(policy: Any, log: CollectedLog) -> Probabilities:
    """How likely a policy shows every item at steps of a log, among those unseen there.

    Args:
        policy: a ``StochasticPolicy``, or one that scores items, which shows its best.
        log: whose steps.

    Raises:
        SettingError: the policy does not say how probable its choices are.
    """
    chooser = stochastic(policy)
    if hasattr(chooser, "begin"):
        chooser.begin(log.n_items)

    def probabilities(rows: IntArray) -> Float64Array:
        observed = log.observed(chooser, rows)
        return np.asarray(chooser.action_probabilities(observed, log.allowed(rows)))

    return probabilities


def cluster_propensities(policy: Any, log: CollectedLog, clusters: IntArray) -> Float64Array:
    """How likely the policy that collected a log showed an item of the shown one's cluster.

    Args:
        policy: the one that collected it.
        log: what it collected.
        clusters: int64 (n_items,), the cluster of each item.

    Returns:
        float64 (n_steps,).
    """
    probabilities, shares = probabilities_of(policy, log), []
    for start in range(0, len(log), ROWS):
        rows = np.arange(start, min(start + ROWS, len(log)))
        shares.append(cluster_shares(probabilities(rows), clusters, log.items[rows]))
    return np.concatenate(shares)


def item_clusters(simulator: UserSimulator, count: int = 20, seed: int = 0) -> IntArray:
    """Clusters of items that lie near each other, by k-means in item space: int64 (n_items,).

    Args:
        simulator: who says where items lie.
        count: clusters.
        seed: of k-means.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    points = item_space_of(simulator).points.astype(np.float64)
    cluster = require("scipy.cluster.vq", "bench")
    _, places = cluster.kmeans2(points, count, minit="++", rng=np.random.default_rng(seed))
    return np.asarray(places, dtype=np.int64)


def evaluate_on_log(
    policy: Any,
    log: CollectedLog,
    values: bool = True,
    clusters: IntArray | None = None,
    logged_by: Any = None,
    discount: float = 1.0,
    seed: int = 0,
    **fitting: Any,
) -> OffPolicyEvaluation:
    """Estimate from a collected log what another policy would earn an episode.

    ```python
    log = CollectedLog.load("runs/collected")
    print(evaluate_on_log(SoftmaxPolicy(recommender), log))
    ```

    Args:
        policy: to be evaluated. One that scores items is taken to show its best, which a log
            hardly ever meets: give ``SoftmaxPolicy(policy)`` or ``EpsilonGreedy(policy)``.
        log: collected by another policy.
        values: whether to learn values, for the direct method and doubly robust estimates, which
            needs d3rlpy.
        clusters: int64 (n_items,), for estimates marginalised over clusters of items.
        logged_by: the policy that collected the log, which these need too.
        discount: of later rewards.
        seed: of whatever is drawn or learned.
        fitting: further arguments of ``fitted_values``, such as ``n_steps``.

    Raises:
        DataError: the policy would have shown nothing of the log.
        SettingError: only one of ``clusters`` and ``logged_by`` is given.
        MissingExtraError: values are asked for, and d3rlpy is not installed.
    """
    if (clusters is None) != (logged_by is None):
        raise SettingError("clusters and logged_by, the policy that collected the log, go together")
    episodes, probabilities = logged_episodes(log), probabilities_of(policy, log)
    draws = NEXT_ACTIONS if values else 0
    target = read_target(probabilities, episodes, clusters, draws, seed)
    learned = None
    if values:
        from llmrec_env.evaluation.ope.fitted_q import fitted_values

        learned = fitted_values(
            episodes, target, probabilities, log.n_items, discount=discount, seed=seed, **fitting
        )
    shares = None if clusters is None else cluster_propensities(logged_by, log, clusters)
    return evaluate_off_policy(episodes, target, learned, shares, discount, seed=seed)
