"""How an algorithm of d3rlpy scores all items: :func:`scorer`, for each kind of algorithm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError
from llmrec_env.offline.d3rlpy.library import d3rlpy, seeded

Scorer = Callable[[NDArray[np.generic]], FloatArray]
"""From observations (N, width) to scores float32 (N, n_items), the highest being what is shown."""


def scorer(algo: Any, points: FloatArray | None = None) -> Scorer:
    """How an algorithm scores items.

    | algorithm | an item's score |
    |---|---|
    | DiscreteBC, DiscreteSAC | the log-probability that it is shown |
    | NFQ, DQN, DoubleDQN, DiscreteCQL | its value, with any kind of Q-function |
    | DiscreteBCQ | its value, among the items that the imitator finds likely enough; all others \
stand below these, in the imitator's order |
    | all whose actions are points | the nearer to the point, the higher |

    Args:
        algo: an algorithm that is built.
        points: float32 (n_items, d), where items lie, if its actions are points.

    Raises:
        DataError: it scores no items.
    """
    if points is not None:
        return _Nearness(algo, points)
    if isinstance(algo.config, d3rlpy.ope.FQEConfig):
        raise DataError(f"{type(algo).__name__} is a judge; give the algorithm that it judged")
    modules = algo.impl.modules.get_torch_modules()
    values, imitator = modules.get("q_funcs"), modules.get("imitator")
    actor = modules.get("policy", imitator if values is None else None)
    if actor is not None:
        return _networks(algo, lambda x: actor(x).logits)
    if values is None:
        raise DataError(
            f"{type(algo).__name__} does not score items by the observation alone; a decision "
            "transformer acts as algo.as_stateful_wrapper(target_return), and "
            "d3rlpy.metrics.evaluate_transformer_with_environment judges that"
        )
    if imitator is None:
        return _networks(algo, lambda x: _values(values, x))
    return _networks(algo, lambda x: _likely_first(algo, imitator(x).logits, _values(values, x)))


def _networks(algo: Any, scores: Callable[[Tensor], Tensor]) -> Scorer:
    """Scores of an algorithm's networks, which read what its scaler makes of observations."""

    def score(observations: NDArray[np.generic]) -> FloatArray:
        impl, scaler = algo.impl, algo.config.observation_scaler
        impl.modules.set_eval()
        x = torch.as_tensor(observations.astype(np.float32), device=impl.device)
        with torch.no_grad():
            result: FloatArray = scores(scaler.transform(x) if scaler else x).cpu().numpy()
        return result

    return score


def _values(q_funcs: Any, x: Tensor) -> Tensor:
    return torch.stack([q_func(x).q_value for q_func in q_funcs]).mean(dim=0)


def _likely_first(algo: Any, logits: Tensor, values: Tensor) -> Tensor:
    """Values of likely items; those of the others below, in the order of the logits."""
    ratio = logits - logits.max(dim=1, keepdim=True).values
    likely = ratio > math.log(algo.config.action_flexibility)
    return torch.where(likely, values, values.min(dim=1, keepdim=True).values + ratio - 1.0)


class _Nearness:
    """Scores that fall with the distance of items from the point that an algorithm names."""

    def __init__(self, algo: Any, points: FloatArray) -> None:
        self._algo = algo
        self._points = points
        self._half_squares = (points * points).sum(axis=1) / 2

    def __call__(self, observations: NDArray[np.generic]) -> FloatArray:
        with seeded(0):  # BCQ, BEAR and CRR draw points and name the best of them
            named = self._algo.predict(observations.astype(np.float32))
        # |a - p|^2 is smallest where a . p - |p|^2 / 2 is largest
        scores: FloatArray = named.astype(np.float32) @ self._points.T - self._half_squares
        return scores
