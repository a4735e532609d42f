"""``evaluate_off_policy``: what a policy would earn, estimated from another policy's log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.evaluation.intervals import Interval, percentiles, resampled
from llmrec_env.evaluation.ope.episodes import LoggedEpisodes, Target
from llmrec_env.evaluation.ope.estimators import Estimator, Values, estimators, implied_return

DRAWS = 1000
"""Bootstrap samples of the users."""
FEW = 30.0
"""Effective episodes below which an estimate says next to nothing, and its interval less."""


@dataclass(frozen=True)
class OffPolicyEstimate:
    """What one estimator says of a policy.

    Attributes:
        value: the estimated return of an episode, with a 95% bootstrap interval over users.
        effective_sample_size: logged episodes of equal weight that would say as much; None for the
            direct method, which weighs none.
        fits_log: whether what it was computed from agrees with what the log itself earned; false
            for the direct method where the learned values do not, or the log is too small to tell.
    """

    value: Interval
    effective_sample_size: float | None
    fits_log: bool = True

    @property
    def is_trustworthy(self) -> bool:
        """Whether it rests on enough of the log to be believed at all."""
        few = self.effective_sample_size is not None and self.effective_sample_size < FEW
        return self.fits_log and not few and bool(np.isfinite(self.value.mean))


@dataclass(frozen=True)
class OffPolicyEvaluation:
    """What all estimators say of a policy.

    Attributes:
        estimates: by the estimator's name (:mod:`llmrec_env.evaluation.ope.estimators`).
        n_episodes: of the log.
        first_weight: the mean weight of the episodes' first steps. It is 1 where the logging policy
            shows whatever the evaluated one does, often enough for a log of this size.
        certain: whether the logging policy showed every first item for certain (propensity 1).
        logged: the mean return of the log itself.
        implied: what the learned values say that it is (:func:`implied_return`), None without. It
            is checked without any truth: values whose implied return lies outside the interval of
            ``logged`` are wrong of the log, from which they were learned, and are not to be
            believed of the evaluated policy. Inside it they may still be.
    """

    estimates: Mapping[str, OffPolicyEstimate]
    n_episodes: int
    first_weight: Interval
    certain: bool
    logged: Interval
    implied: float | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against believing the estimates, in words."""
        told = []
        if self.first_weight.high < 1:
            why = (
                "the logging policy never shows anything but its first choice"
                if self.certain
                else "too few episodes show what this policy would"
            )
            told.append(
                f"the first steps weigh {self.first_weight.mean:.2f} on average and should weigh "
                f"1: {why}"
            )
        if self.implied is not None and not _within(self.implied, self.logged):
            told.append(
                f"DM: the learned values say that the log earned {self.implied:.2f} an episode, "
                f"and it earned {self.logged.mean:.2f} [{self.logged.low:.2f}, "
                f"{self.logged.high:.2f}]; learn longer (n_steps) or from more episodes"
            )
        few = [
            name
            for name, own in self.estimates.items()
            if not own.is_trustworthy
            and (own.effective_sample_size is not None or self.n_episodes < FEW)
        ]
        if few:
            told.append(
                f"{', '.join(few)}: fewer than {FEW:g} effective episodes of {self.n_episodes:,}; "
                "neither the estimate nor its interval is to be believed"
            )
        return tuple(told)

    def __str__(self) -> str:
        lines = [
            f"{name:<8} {own.value.mean:8.2f} [{own.value.low:.2f}, {own.value.high:.2f}] · "
            f"{_size(own.effective_sample_size)} effective episodes"
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
    logged = _mean(episodes.table(episodes.rewards) @ powers, counts)
    estimates = {name: _estimate(estimator, counts) for name, estimator in found.items()}
    implied = None
    if values is not None:
        implied = implied_return(episodes, values, discount)
        fits = episodes.n_episodes >= FEW and _within(implied, logged)
        estimates["DM"] = replace(estimates["DM"], fits_log=fits)
    first = episodes.offsets[:-1]
    return OffPolicyEvaluation(
        estimates,
        episodes.n_episodes,
        _mean(ratios[first], counts),
        bool((episodes.propensities[first] == 1).all()),
        logged,
        implied,
    )


def _within(value: float, bounds: Interval) -> bool:
    return bounds.low <= value <= bounds.high or bool(np.isclose(value, bounds.mean))


def _size(effective: float | None) -> str:
    return "–" if effective is None else f"{effective:,.1f}"


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
