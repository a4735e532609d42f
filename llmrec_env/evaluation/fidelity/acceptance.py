"""Is the item that a user took told from others: accuracy and area under the curve."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.evaluation.fidelity.moments import NEGATIVES, TAKEN, Moments
from llmrec_env.evaluation.fidelity.orders import pair_wins
from llmrec_env.evaluation.intervals import Interval, bootstrap

ACCURACY = "accuracy, "


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
    for name, (wins, owners) in acceptance_wins(moments, scores).items():
        found[name] = mean_over_users(wins, owners, seed)
        kind = name.removeprefix(ACCURACY)
        column = NEGATIVES.index(kind) + 1
        known = _known(moments, column)
        taken, others = scores[known, TAKEN], scores[known, column]
        found[f"AUC, {kind}"] = _area(taken, others, owners, seed)
    return found


def acceptance_wins(
    moments: Moments, scores: FloatArray
) -> dict[str, tuple[Float64Array, IntArray]]:
    """By name of an accuracy: at which moments the item taken wins, float64 (m,), 0.5 for a tie,
    and whose moments they are, int64 (m,)."""
    found = {}
    for column, kind in enumerate(NEGATIVES, start=TAKEN + 1):
        known = _known(moments, column)
        if known.any():
            wins = pair_wins(scores[known, TAKEN], scores[known, column : column + 1])[:, 0]
            found[f"{ACCURACY}{kind}"] = (wins, moments.users[known])
    return found


def _known(moments: Moments, column: int) -> BoolArray:
    """At which moments there is an item taken and one of this column, bool (n,)."""
    known: BoolArray = moments.goes_on & (moments.candidates[:, column] >= 0)
    return known


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
