"""Evaluates a shopping agent: score and success over goals, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.shop.shop_pool import ShopAgent, ShopObservation, ShopPool
from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.common.progress import progress_bar
from llmrec_env.evaluation.intervals import Z95, Interval

SHOPPERS = 64
"""Episodes at once."""


@dataclass(frozen=True, eq=False)
class ShopResults:
    """What was earned, an episode a goal.

    Attributes:
        goals: int64 (n,), indices of the goals.
        products: the asin of each goal's product, (n,).
        rewards: float64 (n,) in [0, 1]; 0 where nothing was bought.
        successes: bool (n,), a reward of 1.
        lengths: int64 (n,), steps.
    """

    goals: IntArray
    products: NDArray[np.str_]
    rewards: Float64Array
    successes: BoolArray
    lengths: IntArray

    @property
    def score(self) -> Interval:
        """100 times the mean reward, with its 95% interval."""
        return _per_cent(self.rewards, self.products)

    @property
    def success(self) -> Interval:
        """The share of goals with a reward of 1 in per cent, with its 95% interval."""
        return _per_cent(self.successes.astype(np.float64), self.products)


def _per_cent(values: Float64Array, products: NDArray[np.str_]) -> Interval:
    """In per cent, within what is possible."""
    return bounded_interval(100.0 * values, products, 0.0, 100.0)


def bounded_interval(
    values: Float64Array, clusters: NDArray[np.str_], lowest: float, highest: float
) -> Interval:
    """:func:`clustered_interval` of values that lie within bounds, so that it does too.

    A single cluster says nothing of others: then it is all that is possible.
    """
    mean, low, high = clustered_interval(values, clusters)
    mean = min(max(mean, lowest), highest)  # the mean of many 100s may be 100.00000000000001
    if len(set(clusters.tolist())) < 2:
        return Interval(mean, lowest, highest)
    return Interval(mean, max(lowest, low), min(highest, high))


def clustered_interval(values: Float64Array, clusters: NDArray[np.str_]) -> Interval:
    """The mean and its 95% interval, where values of one cluster go together.

    Goals of one product succeed and fail together, so products count, not goals (cluster-robust
    standard error of a mean, normal approximation).
    """
    mean = float(values.mean())
    _, number = np.unique(clusters, return_inverse=True)
    sums = np.bincount(number, weights=values - mean)
    n = len(sums)
    error = float(np.sqrt((sums**2).sum() * n / max(1, n - 1))) / len(values)
    return Interval(mean, mean - Z95 * error, mean + Z95 * error)


def choose_goals(n_goals: int, n: int | None, seed: int = 0) -> list[int]:
    """Indices of ``n`` different goals drawn with a seed, or of all where there are no more."""
    if n is None or n >= n_goals:
        return list(range(n_goals))
    return sorted(np.random.default_rng(seed).choice(n_goals, n, replace=False).tolist())


def evaluate_shopper(
    agent: ShopAgent,
    settings: Mapping[str, Any],
    goals: Sequence[int] | None = None,
    *,
    sample_seed: int | None = None,
) -> ShopResults:
    """Let an agent shop once for each goal.

    Args:
        agent: who shops.
        settings: arguments of ``gym.make("LLMRec/Shop-v0", ...)``, such as ``split="test"``,
            without ``observation`` and ``action_mode``.
        goals: indices of goals of the split; None for all.
        sample_seed: draws the actions of an agent with probabilities; None takes the likeliest.
    """
    size = SHOPPERS if goals is None else min(SHOPPERS, max(1, len(goals)))
    pool = ShopPool(settings, agent.observation, agent.action_mode, size)
    waiting = list(range(len(pool.shop.goals))) if goals is None else list(goals)
    n = len(waiting)
    rewards, lengths = np.zeros(n), np.zeros(n, dtype=np.int64)
    successes = np.zeros(n, dtype=np.bool_)
    rng = None if sample_seed is None else np.random.default_rng(sample_seed)
    coming = iter(enumerate(waiting))
    observations: dict[int, ShopObservation] = {}
    episodes: dict[int, int] = {}

    def admit(row: int) -> None:
        observations.pop(row, None)
        for episode, goal in coming:
            observations[row], episodes[row] = pool.begin(row, goal), episode
            return

    with progress_bar("shop", n) as advance:
        for row in range(size):
            admit(row)
        while observations:
            rows = list(observations)
            actions = agent.act([observations[row] for row in rows], rng)
            for row, action in zip(rows, actions, strict=True):
                outcome, episode = pool.step(row, action), episodes[row]
                rewards[episode] += outcome.reward
                lengths[episode] += 1
                observations[row] = outcome.observation
                if outcome.ended:
                    successes[episode] = outcome.success
                    admit(row)
                    advance(1, "")
    products = np.array([pool.shop.goals[goal].asin for goal in waiting])
    return ShopResults(np.array(waiting), products, rewards, successes, lengths)
