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


def fit_logistic(
    design: NDArray[Any], happened: NDArray[Any], ridge: float, steps: int = 50
) -> tuple[NDArray[Any], float]:
    """Ridge logistic regression by Newton's method; the offset is not held back.

    Args:
        design: float64 (n, F), best of mean 0 and standard deviation 1.
        happened: (n,), 1 or 0.
        ridge: half of it times the squared length of the weights is added to the loss, a sum.
        steps: at most.

    Returns:
        The weights, float64 (F,), and the offset.
    """
    x = np.column_stack([design, np.ones(len(design))]).astype(np.float64)
    held = np.append(np.full(design.shape[1], ridge), 1e-9)
    beta = np.zeros(x.shape[1])
    beta[-1] = log_odds(float(np.mean(happened)), len(x))

    def loss(at: NDArray[Any]) -> float:
        logits = x @ at
        told = np.logaddexp(0.0, logits).sum() - happened @ logits
        return float(told + 0.5 * (held * at**2).sum())

    for _ in range(steps):
        p = sigmoid(x @ beta)
        slope = x.T @ (happened - p) - held * beta
        curvature = x.T @ (x * (p * (1 - p))[:, None]) + np.diag(held)
        step, now = np.linalg.solve(curvature, slope), loss(beta)
        while loss(beta + step) > now and np.abs(step).max() > 1e-10:
            step /= 2  # where cases are told apart cleanly a full step goes too far
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return beta[:-1], float(beta[-1])


def log_odds(share: float, count: int) -> float:
    """Log odds of a share of ``count`` cases, which lies at least half a case inside 0 and 1."""
    inside = min(max(share, 0.5 / count), 1 - 0.5 / count)
    return float(np.log(inside / (1 - inside)))
