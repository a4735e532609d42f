"""``evaluate_off_policy``: what a policy would earn, estimated from another policy's log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.evaluation.intervals import Interval, percentiles, resampled
from llmrec_env.evaluation.ope.episodes import LoggedEpisodes, Target
from llmrec_env.evaluation.ope.estimators import Estimator, Values, estimators

DRAWS = 1000
"""Bootstrap samples of the users."""
FEW = 30.0
"""Effective episodes below which an estimate says next to nothing, and its interval less."""


@dataclass(frozen=True)
class OffPolicyEstimate:
    """What one estimator says of a policy.

    Attributes:
        value: the estimated return of an episode, with a 95% bootstrap interval over users.
        effective_sample_size: logged episodes of equal weight that would say as much.
    """

    value: Interval
    effective_sample_size: float

    @property
    def is_trustworthy(self) -> bool:
        """Whether it rests on enough of the log to be believed at all."""
        return self.effective_sample_size >= FEW and bool(np.isfinite(self.value.mean))


@dataclass(frozen=True)
class OffPolicyEvaluation:
    """What all estimators say of a policy.

    Attributes:
        estimates: by the estimator's name (:mod:`llmrec_env.evaluation.ope.estimators`).
        n_episodes: of the log.
        first_weight: the mean weight of the episodes' first steps. It is 1 where the logging policy
            shows whatever the evaluated one does, and below 1 where it never shows some of it.
        logged: the mean return of the log itself.
    """

    estimates: Mapping[str, OffPolicyEstimate]
    n_episodes: int
    first_weight: Interval
    logged: Interval

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against believing the estimates, in words."""
        told = []
        if self.first_weight.high < 1:
            told.append(
                f"the first steps weigh {self.first_weight.mean:.2f} on average and should weigh "
                "1: the logging policy never shows some of what this policy would"
            )
        few = [name for name, own in self.estimates.items() if not own.is_trustworthy]
        if few:
            told.append(
                f"{', '.join(few)}: fewer than {FEW:g} effective episodes of {self.n_episodes:,}; "
                "neither the estimate nor its interval is to be believed"
            )
        return tuple(told)

    def __str__(self) -> str:
        lines = [
            f"{name:<8} {own.value.mean:8.2f} [{own.value.low:.2f}, {own.value.high:.2f}] · "
            f"{own.effective_sample_size:,.1f} effective episodes"
            for name, own in self.estimates.items()
        ]
        return "\n".join([*lines, *(f"! {warning}" for warning in self.warnings)])


def evaluate_off_policy(
    episodes: LoggedEpisodes,
    target: Target,
    values: Values | None = None,
    cluster_propensities: Float64Array | None = None,
    discount: float = 1.0,
    draws: int = DRAWS,
    seed: int = 0,
) -> OffPolicyEvaluation:
    """Estimate what a policy earns an episode, from the log of another policy.

    Args:
        episodes: the log, with propensities.
        target: what the evaluated policy would do at its steps (:func:`read_target`).
        values: what is learned of its value, for the direct method and doubly robust estimates.
        cluster_propensities: float64 (n_steps,), how likely the logging policy showed an item of
            the logged one's cluster; for estimates marginalised over clusters.
        discount: of later rewards, in [0, 1]; 1 estimates the return.
        draws: bootstrap samples of the users.
        seed: of these.

    Raises:
        DataError: the arrays do not fit each other, or the evaluated policy would have shown no
            first item of the log, so that it says nothing of the policy.
        SettingError: the discount lies outside [0, 1].
    """
    if not 0.0 <= discount <= 1.0:
        raise SettingError(f"discount must lie in [0, 1], got {discount}")
    ratios = _ratios(episodes, target.probabilities, episodes.propensities)
    if not ratios[episodes.offsets[:-1]].any():
        raise DataError(
            "the evaluated policy would never have shown what stands first in any episode: the log "
            "says nothing of it. A greedy policy hardly ever meets a log; evaluate "
            "SoftmaxPolicy(policy) or EpsilonGreedy(policy), or log with more chance"
        )
    grouped = None
    if cluster_propensities is not None:
        grouped = _ratios(episodes, target.cluster_probabilities, cluster_propensities)
    if values is not None and not all(part.shape == (len(episodes),) for part in values):
        raise DataError("values: give Q and V for each step of the log")
    counts = _counts(episodes, draws, seed)
    found = estimators(episodes, ratios, discount, values, grouped)
    powers = discount ** np.arange(int(episodes.lengths.max()))
    return OffPolicyEvaluation(
        {name: _estimate(estimator, counts) for name, estimator in found.items()},
        episodes.n_episodes,
        _mean(ratios[episodes.offsets[:-1]], counts),
        _mean(episodes.table(episodes.rewards) @ powers, counts),
    )


def _estimate(estimator: Estimator, counts: Float64Array) -> OffPolicyEstimate:
    value = float(estimator.values(np.ones((1, counts.shape[1])))[0])
    bounds = percentiles(value, estimator.values(counts))
    return OffPolicyEstimate(bounds, estimator.effective_sample_size)


def _mean(values: Float64Array, counts: Float64Array) -> Interval:
    """The mean over episodes, float64 (n_episodes,), with its bootstrap interval."""
    return percentiles(float(values.mean()), counts @ values / counts.sum(axis=1))


def _counts(episodes: LoggedEpisodes, draws: int, seed: int) -> Float64Array:
    """How often each episode counts in each sample of the users, (draws, n_episodes)."""
    _, owners = np.unique(episodes.owners, return_inverse=True)
    counts: Float64Array = resampled(int(owners.max()) + 1, draws, seed)[:, owners]
    return counts


def _ratios(
    episodes: LoggedEpisodes, probabilities: Float64Array, propensities: Float64Array
) -> Float64Array:
    for name, values in (("probabilities", probabilities), ("propensities", propensities)):
        if values.shape != (len(episodes),) or not ((values >= 0) & (values <= 1 + 1e-9)).all():
            raise DataError(
                f"{name} must be {len(episodes)} numbers in [0, 1], one a step of the log; got an "
                f"array of shape {values.shape}"
            )
    if (propensities == 0).any():
        raise DataError("propensities must lie above 0: what was shown was possible")
    ratios: Float64Array = probabilities / propensities
    return ratios
