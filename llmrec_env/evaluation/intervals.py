"""A mean over users with its 95% interval."""

from __future__ import annotations

from typing import NamedTuple

from llmrec_env.common.arrays import Float64Array

Z95 = 1.959964
"""Two-sided 95% point of the normal distribution."""


class Interval(NamedTuple):
    """A mean and its 95% interval (normal approximation over users)."""

    mean: float
    low: float
    high: float


def interval(values: Float64Array) -> Interval:
    """Mean over users with its 95% interval (normal approximation)."""
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, float("-inf"), float("inf"))
    half = Z95 * float(values.std(ddof=1)) / len(values) ** 0.5
    return Interval(mean, mean - half, mean + half)
