"""The logistic function, and the offset at which its values have a given mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sigmoid(x: NDArray[Any]) -> NDArray[Any]:
    """The logistic function, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def offset_of_mean(logits: NDArray[Any], mean: float, weights: NDArray[Any] | None = None) -> float:
    """The offset at which ``sigmoid(logits + offset)`` has this mean, found by bisection.

    Args:
        logits: (n,).
        mean: in (0, 1).
        weights: (n,), how much each logit counts; all the same where None.
    """
    low, high = -float(logits.max()) - 60.0, 60.0 - float(logits.min())
    for _ in range(60):
        middle = (low + high) / 2
        if np.average(sigmoid(logits + middle), weights=weights) < mean:
            low = middle
        else:
            high = middle
    return (low + high) / 2
