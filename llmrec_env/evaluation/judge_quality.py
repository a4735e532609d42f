"""``judge_quality``: how well a judge of policies orders them, whatever the judge is.

A judge gives every policy a number: its mean return among simulated users, an off-policy estimate,
or its mean place among the orders of several judges. Beside the numbers stand those that the judge
would have given had its users been drawn anew, from which intervals follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.evaluation.intervals import Interval, percentiles, resampled

DRAWS = 2000
"""Bootstrap samples of the users."""


@dataclass(frozen=True, eq=False)
class PolicyScores:
    """What one judge says of P policies; more is better.

    Attributes:
        values: float64 (P,).
        samples: the same of bootstrap samples of the judge's users, float64 (draws, P). Samples of
            two judges go together, row by row, where both drew the same users.
    """

    values: Float64Array
    samples: Float64Array

    @classmethod
    def of_returns(cls, returns: ArrayLike, draws: int = DRAWS, seed: int = 0) -> PolicyScores:
        """Mean returns, with users drawn anew: those of one number and seed are the same ones.

        Args:
            returns: float (P, n_users), what each policy earned from each user.
            draws: bootstrap samples.
            seed: of these.
        """
        earned = np.asarray(returns, dtype=np.float64)
        count = earned.shape[-1]
        return cls(earned.mean(axis=1), resampled(count, draws, seed) @ earned.T / count)

    @classmethod
    def mean_place(cls, judges: Sequence[PolicyScores]) -> PolicyScores:
        """The mean of a policy's places in the orders of several judges (Borda's count).

        A place is the number of policies that stand below, so judges whose numbers are in other
        units, or who tell policies further apart, count alike.

        Args:
            judges: of the same policies, with as many samples.
        """
        return cls(
            np.mean([places(judge.values) for judge in judges], axis=0),
            np.mean([places(judge.samples) for judge in judges], axis=0),
        )

    def some(self, rows: IntArray) -> PolicyScores:
        """The scores of some of the policies."""
        return PolicyScores(self.values[rows], self.samples[:, rows])


@dataclass(frozen=True)
class JudgeQuality:
    """How far a judge's order of policies is the true one; 95% bootstrap intervals over users.

    Attributes:
        tau: Kendall's tau-b over all policies.
        tau_better: tau-b among the better half by true value, the same ones in every sample.
        chosen: the row of the policy that the judge puts first.
        regret: the share of the best true value that choosing it loses; every sample chooses anew.
    """

    tau: Interval
    tau_better: Interval
    chosen: int
    regret: Interval


def judge_quality(judged: PolicyScores, true: PolicyScores) -> JudgeQuality:
    """Compare a judge's order of policies with the true one.

    ```python
    judge_quality(PolicyScores.of_returns(simulated), PolicyScores.of_returns(true))
    ```

    Args:
        judged: what the judge says of P policies.
        true: what they are worth, in the same order, with as many samples.

    Raises:
        DataError: they do not speak of as many policies and samples.
    """
    if judged.samples.shape != true.samples.shape:
        raise DataError(
            f"a judge of {judged.samples.shape[1]} policies in {len(judged.samples)} samples is "
            f"compared with a truth of {true.samples.shape[1]} in {len(true.samples)}"
        )
    better = better_half(true.values)
    return JudgeQuality(
        tau=_tau(judged, true),
        tau_better=_tau(judged.some(better), true.some(better)),
        chosen=int(judged.values.argmax()),
        regret=percentiles(
            float(choice_regret(judged.values, true.values)),
            choice_regret(judged.samples, true.samples),
        ),
    )


def better_half(true: Float64Array) -> IntArray:
    """Rows of the better half of P true values, best first, int64 ((P + 1) // 2,)."""
    order: IntArray = np.argsort(-true, kind="stable")
    return order[: (len(true) + 1) // 2]


def kendall_tau(one: ArrayLike, other: ArrayLike) -> Float64Array:
    """Kendall's tau-b of numbers (…, n) and as many others, along the last axis.

    ``(agreeing pairs - opposite pairs) / sqrt(pairs apart in one * pairs apart in other)``; NaN
    where one of the two tells nothing apart.

    Returns:
        float64 (…).
    """
    signs = [_pair_signs(np.asarray(values, dtype=np.float64)) for values in (one, other)]
    agreement = (signs[0] * signs[1]).sum(axis=-1)
    apart = np.sqrt((signs[0] ** 2).sum(axis=-1) * (signs[1] ** 2).sum(axis=-1))
    return np.divide(agreement, apart, out=np.full_like(apart, np.nan), where=apart > 0)


def choice_regret(judged: ArrayLike, true: ArrayLike) -> Float64Array:
    """The share of the best true return that is lost by choosing what is judged best.

    Args:
        judged: float (…, n), numbers by which is chosen, among equals the first.
        true: float (…, n), mean returns that count.

    Returns:
        float64 (…); NaN where the best true return is not above 0.
    """
    told, counts = np.asarray(judged), np.asarray(true, dtype=np.float64)
    chosen = np.take_along_axis(counts, told.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    best = counts.max(axis=-1)
    return np.divide(best - chosen, best, out=np.full_like(best, np.nan), where=best > 0)


def places(values: ArrayLike) -> Float64Array:
    """How many of n numbers (…, n) lie below each, of equal ones half; float64 (…, n)."""
    known = np.asarray(values, dtype=np.float64)
    ordered = np.sort(known.reshape(-1, known.shape[-1]), axis=1)
    rows = zip(ordered, known.reshape(ordered.shape), strict=True)
    found = [
        (own.searchsorted(row, "left") + own.searchsorted(row, "right") - 1) / 2
        for own, row in rows
    ]
    result: Float64Array = np.reshape(found, known.shape)
    return result


def _tau(judged: PolicyScores, true: PolicyScores) -> Interval:
    value = float(kendall_tau(judged.values, true.values))
    return percentiles(value, kendall_tau(judged.samples, true.samples))


def _pair_signs(values: Float64Array) -> Float64Array:
    left, right = np.triu_indices(values.shape[-1], 1)
    signs: Float64Array = np.sign(values[..., left] - values[..., right])
    return signs
