"""Is the item that a user took told from others: accuracy and area under the curve."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.evaluation.fidelity.moments import NEGATIVES, TAKEN, Moments
from llmrec_env.evaluation.fidelity.orders import pair_wins
from llmrec_env.evaluation.intervals import Interval, bootstrap


def acceptance_measures(moments: Moments, scores: FloatArray, seed: int) -> dict[str, Interval]:
    """How well scores tell what was taken, by kind of the other item.

    **Accuracy** is the share of moments at which the item taken stands above the other one; ties
    count half. **AUC** is the chance that an item taken by anybody stands above an item not taken
    by anybody, so it also asks whether scores of different users are of one scale.

    Args:
        moments: what was asked.
        scores: float32 (n, C), of the candidates; of the first four columns at least.
        seed: of the bootstrap.

    Returns:
        ``"accuracy, uniform"``, ``"AUC, uniform"`` and so on, of the kinds that there are.
    """
    found = {}
    for column, kind in enumerate(NEGATIVES, start=TAKEN + 1):
        known = moments.goes_on & (moments.candidates[:, column] >= 0)
        if not known.any():
            continue
        taken, others = scores[known, TAKEN], scores[known, column]
        owners = moments.users[known]
        wins = pair_wins(taken, others[:, None])[:, 0]
        found[f"accuracy, {kind}"] = mean_over_users(wins, owners, seed)
        found[f"AUC, {kind}"] = _area(taken, others, owners, seed)
    return found


def mean_over_users(values: Float64Array, owners: IntArray, seed: int) -> Interval:
    """The mean of values (n,) with its bootstrap interval over the users (n,) who own them."""
    _, owner = np.unique(owners, return_inverse=True)
    sums, counts = np.bincount(owner, weights=values), np.bincount(owner)
    return bootstrap(lambda w: float(w @ sums / (w @ counts)), len(counts), seed)


def _area(taken: FloatArray, others: FloatArray, owners: IntArray, seed: int) -> Interval:
    """The area under the curve, every user's values counting as often as the user is drawn."""
    _, owner = np.unique(owners, return_inverse=True)
    _, place = np.unique(np.concatenate([taken, others]), return_inverse=True)
    high, low = place[: len(taken)], place[len(taken) :]
    size = int(place.max()) + 1

    def area(weights: Float64Array) -> float:
        own = weights[owner]
        above = np.bincount(high, weights=own, minlength=size)
        below = np.bincount(low, weights=own, minlength=size)
        return float(above @ (np.cumsum(below) - below / 2) / (above.sum() * below.sum()))

    return bootstrap(area, int(owner.max()) + 1, seed)
