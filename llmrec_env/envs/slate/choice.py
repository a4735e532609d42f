"""Which item of a list a user looks at, by its place and by what draws the eye.

The user looks down the list and at one item closer: at place ``j`` (from 1) with probability
proportional to::

    (1 / j) ^ position_bias  *  exp(attraction of the item)

This is a multinomial logit over the list, as users of RecSim choose, with the examination by place
of Joachims et al. (2017). Places with nothing new to this user are passed over.
"""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray

BELOW_ONE = float(np.nextafter(1.0, 0.0))


def look_probabilities(
    attraction: FloatArray, offered: BoolArray, position_bias: float
) -> Float64Array:
    """How likely each place of a list is looked at.

    Args:
        attraction: float32 (N, K), logits.
        offered: bool (N, K), the places that are not passed over.
        position_bias: at least 0; with 0 places do not matter.

    Returns:
        float64 (N, K); a row sums to 1, or to 0 where nothing is offered.
    """
    places = np.arange(1, attraction.shape[1] + 1)
    logits = attraction.astype(np.float64) - position_bias * np.log(places)
    largest = np.where(offered, logits, -np.inf).max(axis=1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    odds = np.exp(np.where(offered, logits - largest, -np.inf))
    total = odds.sum(axis=1, keepdims=True)
    result: Float64Array = odds / np.where(total > 0, total, 1.0)
    return result


def draw_places(
    probabilities: Float64Array, uniform: Float64Array
) -> tuple[IntArray, Float64Array]:
    """The places that users look at, by one uniform draw each, and what is left of the draw.

    Args:
        probabilities: float64 (N, K), rows of :func:`look_probabilities`.
        uniform: float64 (N,) in [0, 1).

    Returns:
        int64 (N,), -1 where nothing can be looked at; float64 (N,), a uniform draw in [0, 1) that
        is independent of the place.
    """
    rows = np.arange(len(probabilities))
    ends = np.cumsum(probabilities, axis=1)
    drawn = uniform * ends[:, -1]  # the sum is 1 but for the last digits
    places = (ends <= drawn[:, None]).sum(axis=1)
    last = probabilities.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(axis=1)
    places = np.minimum(places, last)
    width = probabilities[rows, places]
    rest = (drawn - (ends[rows, places] - width)) / np.where(width > 0, width, 1.0)
    return np.where(width > 0, places, -1), np.clip(rest, 0.0, BELOW_ONE)
