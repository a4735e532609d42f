"""Off-policy estimators as sums over steps of ratios of sums over episodes.

With the weights ``w_t = prod_{s <= t} pi(a_s | h_s) / pi_0(a_s | h_s)`` of an episode::

    IS       mean of w_T * sum_t g^t r_t
    SN-IS    the same over the mean of w_T
    PDIS     sum_t of the mean of g^t w_t r_t                               (Precup et al., 2000)
    SN-PDIS  each of its means over the mean of w_t                         (Thomas, 2015)
    DM       mean of V(s_0)
    DR       sum_t of the mean of g^t [w_t (r_t - Q_t) + w_{t-1} V_t]       (Jiang and Li, 2016)
    SN-DR    its two means over those of w_t and w_{t-1}                    (Thomas and Brunskill,
                                                                             2016, "WDR")
    MIS      PDIS with the ratio of clusters for that of actions            (Saito and Joachims,
    SN-MIS   SN-PDIS with it                                                 2022, "MIPS")

g is the discount. An episode that has ended keeps its weight and earns nothing more.
Self-normalised forms are biased in small samples and far less scattered. The marginalised ones are
unbiased where an item matters through its cluster alone, and need no support but that of clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.evaluation.ope.episodes import LoggedEpisodes


class Values(NamedTuple):
    """What the evaluated policy is worth at the steps of a log, as somebody has learned it.

    Attributes:
        action: float64 (n_steps,), Q of the logged action.
        state: float64 (n_steps,), V: the mean of Q over what the policy would show.
    """

    action: Float64Array
    state: Float64Array


class Ratio(NamedTuple):
    """Sums over episodes of ``numerators``, over those of ``weights``, added up over columns.

    Attributes:
        numerators: float64 (n_episodes, T).
        weights: the same, or None where each episode counts once.
    """

    numerators: Float64Array
    weights: Float64Array | None = None


@dataclass(frozen=True, eq=False)
class Estimator:
    """One estimator on one log, which can be computed on any sample of its episodes.

    Attributes:
        ratios: whose values add up to the estimate.
        weights: float64 (n_episodes, T), by which it weighs episodes; its effective sample size is
            that of the columns, on average. None where it weighs none.
    """

    ratios: tuple[Ratio, ...]
    weights: Float64Array | None

    def values(self, counts: Float64Array) -> Float64Array:
        """The estimate for how often each episode counts, (B, n_episodes), float64 (B,).

        NaN where at some step every episode has weight 0.
        """
        return sum((_ratio(ratio, counts) for ratio in self.ratios), np.zeros(len(counts)))

    @property
    def effective_sample_size(self) -> float | None:
        """Episodes of equal weight that would say as much, in [1, n_episodes]; 0 where none would,
        None where it weighs none."""
        if self.weights is None:
            return None
        return float(np.mean([effective_sample_size(column) for column in self.weights.T]))


def effective_sample_size(weights: Float64Array) -> float:
    """Kish's ``(sum w)^2 / sum w^2`` of float64 (n,); 0 where all weights are 0."""
    largest = float(weights.max(initial=0.0))
    if largest == 0.0:
        return 0.0
    shares = weights / largest  # so that nothing overflows
    return float(shares.sum() ** 2 / (shares**2).sum())


def estimators(
    episodes: LoggedEpisodes,
    ratios: Float64Array,
    discount: float = 1.0,
    values: Values | None = None,
    cluster_ratios: Float64Array | None = None,
) -> dict[str, Estimator]:
    """All estimators for which there is what they need.

    Args:
        episodes: the log.
        ratios: float64 (n_steps,), the evaluated policy's probability of the logged action over
            its propensity.
        discount: g, in [0, 1].
        values: for DM, DR and SN-DR.
        cluster_ratios: float64 (n_steps,), the same ratios of clusters, for MIS and SN-MIS.
    """
    rewards = episodes.table(episodes.rewards)
    powers: Float64Array = np.power(float(discount), np.arange(rewards.shape[1]))
    paid = rewards * powers
    weights = _cumulative(episodes, ratios)
    last = weights[:, -1:]
    whole = last * paid.sum(axis=1, keepdims=True)
    found = {
        "IS": Estimator((Ratio(whole),), last),
        "SN-IS": Estimator((Ratio(whole, last),), last),
        "PDIS": Estimator((Ratio(weights * paid),), weights),
        "SN-PDIS": Estimator((Ratio(weights * paid, weights),), weights),
    }
    if cluster_ratios is not None:
        grouped = _cumulative(episodes, cluster_ratios)
        found["MIS"] = Estimator((Ratio(grouped * paid),), grouped)
        found["SN-MIS"] = Estimator((Ratio(grouped * paid, grouped),), grouped)
    if values is not None:
        found |= _with_values(episodes, values, paid, powers, weights)
    return found


def implied_return(episodes: LoggedEpisodes, values: Values, discount: float = 1.0) -> float:
    """What learned values of any policy say that the logging one earned an episode.

    The mean of ``V(s_0) + sum_t g^t (Q_t - V_t)``: the performance difference lemma (Kakade and
    Langford, 2002) over the log's own steps. Right values give the log's mean return, up to chance.
    """
    advantages = episodes.table(values.action - values.state)
    powers: Float64Array = np.power(float(discount), np.arange(advantages.shape[1]))
    first = values.state[episodes.offsets[:-1]]
    return float((first + advantages @ powers).mean())


def _with_values(
    episodes: LoggedEpisodes,
    values: Values,
    paid: Float64Array,
    powers: Float64Array,
    weights: Float64Array,
) -> dict[str, Estimator]:
    action = episodes.table(values.action) * powers
    state = episodes.table(values.state) * powers
    everybody = np.ones((episodes.n_episodes, 1))
    before = np.concatenate([everybody, weights[:, :-1]], axis=1)
    error, base = weights * (paid - action), before * state
    return {
        "DM": Estimator((Ratio(state[:, :1]),), None),
        "DR": Estimator((Ratio(error + base),), weights),
        "SN-DR": Estimator((Ratio(error, weights), Ratio(base, before)), weights),
    }


def _cumulative(episodes: LoggedEpisodes, ratios: Float64Array) -> Float64Array:
    """w_t, (n_episodes, T); who has ended keeps the last one."""
    return episodes.table(ratios, rest=1.0).cumprod(axis=1)


def _ratio(ratio: Ratio, counts: Float64Array) -> Float64Array:
    sums = counts @ ratio.numerators
    if ratio.weights is None:
        result: Float64Array = (sums / counts.sum(axis=1, keepdims=True)).sum(axis=1)
        return result
    weights = counts @ ratio.weights
    shares = np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0)
    total: Float64Array = shares.sum(axis=1)
    return total
