"""Means over users, and over their steps, with 95% intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from llmrec_env.common.arrays import Float64Array, IntArray

Z95 = 1.959964
"""Two-sided 95% point of the normal distribution."""
DRAWS = 300
"""Bootstrap samples of users."""


class Interval(NamedTuple):
    """A mean and its 95% interval (normal approximation over users)."""

    mean: float
    low: float
    high: float


def standard_error(values: Float64Array) -> float:
    """Standard error of the mean over users; NaN for one user."""
    return float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")


def interval(values: Float64Array) -> Interval:
    """Mean over users with its 95% interval (normal approximation)."""
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, float("-inf"), float("inf"))
    half = Z95 * float(values.std(ddof=1)) / len(values) ** 0.5
    return Interval(mean, mean - half, mean + half)


def clustered(values: Float64Array, owners: IntArray) -> Interval:
    """Mean over steps with its 95% interval over the users who took them.

    The steps of one user go together, so the interval follows from the users' own sums and not from
    the number of steps: a thousand steps of three users are three witnesses.

    Args:
        values: float64 (n_steps,).
        owners: int64 (n_steps,), the user of each step.
    """
    _, owner = np.unique(owners, return_inverse=True)
    sums: Float64Array = np.bincount(owner, weights=values).astype(np.float64)
    return of_sums(sums, np.bincount(owner).astype(np.int64))


def of_sums(sums: Float64Array, steps: IntArray) -> Interval:
    """What :func:`clustered` gives, from each user's sum and number of steps, both (n_users,)."""
    total, users = int(steps.sum()), len(sums)
    mean = float(sums.sum()) / total
    if users < 2:
        return Interval(mean, float("-inf"), float("inf"))
    apart = sums - steps * mean
    error = float(np.sqrt((apart**2).sum() * users / (users - 1))) / total
    return Interval(mean, mean - Z95 * error, mean + Z95 * error)


def ratio(above: Interval, below: Interval, floor: float = 0.0) -> Interval:
    """The ratio of two means of different users, each less a floor, with its 95% interval (delta
    method; the two are taken as independent).

    Args:
        above: the mean above the line, with its 95% interval.
        below: the one below it.
        floor: what both have for nothing, such as .5 of an accuracy.
    """
    tops: Float64Array = np.array([above.mean, below.mean]) - floor
    errors = np.array([above.high - above.low, below.high - below.low]) / (2 * Z95)
    mean = float(tops[0] / tops[1])
    error = abs(mean) * float(np.sqrt(((errors / tops) ** 2).sum()))
    return Interval(mean, mean - Z95 * error, mean + Z95 * error)


def percentiles(value: float, draws: Float64Array) -> Interval:
    """A statistic of the users with its 95% interval, from what resampled users gave (draws,).

    Draws in which the statistic is not known (NaN) do not count.
    """
    known = draws[~np.isnan(draws)]
    if not len(known):
        return Interval(value, float("-inf"), float("inf"))
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(value, float(low), float(high))


def centred(value: float, draws: Float64Array) -> Interval:
    """:func:`percentiles` of draws that are shifted so that their median is the statistic.

    For a statistic that chance makes larger, such as a mean of absolute errors: what resampled
    users give is larger once more, by about as much as the statistic itself is (the bootstrap's
    estimate of bias: Efron and Tibshirani 1993, ch. 10; here of the median, so that the interval
    always holds the statistic). It says where the statistic would lie among other users, its own
    bias included.
    """
    known = draws[~np.isnan(draws)]
    return percentiles(value, known - np.median(known) + value if len(known) else known)


def resampled(count: int, draws: int, seed: int) -> Float64Array:
    """How often each of ``count`` users is drawn in each of ``draws`` bootstrap samples.

    Returns:
        float64 (draws, count) of whole numbers; each row sums to ``count``, so that its product
        with values of the users, divided by ``count``, is the mean of a sample.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(count, np.full(count, 1 / count), draws)
    return drawn.astype(np.float64)


def bootstrap(
    statistic: Callable[[Float64Array], float],
    n_users: int,
    seed: int,
    draws: int = DRAWS,
    of_draws: Callable[[float, Float64Array], Interval] = percentiles,
) -> Interval:
    """A statistic of the users with its 95% interval from resampled users.

    Percentile bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), ch. 13.

    Args:
        statistic: from how often each user counts, float64 (n_users,), to a number; NaN where it
            is not known of such users.
        n_users: how many there are.
        seed: of the draws.
        draws: bootstrap samples.
        of_draws: the interval of a value from the draws (draws,); :func:`centred` where resampling
            biases the statistic.
    """
    value = statistic(np.ones(n_users))
    if n_users < 2:
        return Interval(value, float("-inf"), float("inf"))
    found = [statistic(weights) for weights in resampled(n_users, draws, seed)]
    return of_draws(value, np.array(found))
