"""The true preferences of the generated world's users, and how taking an item changes them.

The utility of item ``i`` for a user with taste ``t`` and satiation ``s``, both in R^k, is::

    u(i) = (t - satiation_weight * s) . f_i  +  quality_weight * q_i            f_i: unit factors
    liking(i) = sigmoid(liking_scale * u(i) + liking_offset)

and taking an item moves the user, deterministically::

    t <- t + drift_rate * (drift_reach * f - t)       the taste drifts towards what was taken
    s <- satiation_decay * s + f                      for a while, more of the same pleases less

Rows never mix and sums run over factors in a fixed order (no BLAS, whose blocking depends on the
batch), so N users asked together give exactly the numbers that they give one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import Float64Array, IntArray, read_only
from llmrec_env.common.logistic import sigmoid


@dataclass(frozen=True)
class TasteParameters:
    """The constants of the module's equations, by name."""

    quality_weight: float = 0.2
    drift_rate: float = 0.08
    drift_reach: float = 5.0
    satiation_weight: float = 0.7
    satiation_decay: float = 0.5
    liking_scale: float = 2.0
    liking_offset: float = -0.8


class Mind(NamedTuple):
    """What moves in N users: ``taste`` and ``satiation``, float64 (N, n_factors) each."""

    taste: Float64Array
    satiation: Float64Array

    def rows(self, rows: NDArray[Any]) -> Mind:
        """Some of the users (a copy)."""
        return Mind(self.taste[rows], self.satiation[rows])


@dataclass(frozen=True, eq=False)
class TasteModel:
    """The true preferences over a catalogue.

    Attributes:
        factors: float64 (n_items, n_factors), unit rows.
        quality: float64 (n_items,), liked by everyone alike.
        parameters: the constants.
    """

    factors: Float64Array
    quality: Float64Array
    parameters: TasteParameters = TasteParameters()

    def __post_init__(self) -> None:
        for name in ("factors", "quality"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def begin(self, tastes: Float64Array) -> Mind:
        """Users with ``tastes`` (N, n_factors) who have taken nothing yet."""
        return Mind(tastes.copy(), np.zeros_like(tastes))

    def take(self, mind: Mind, items: IntArray) -> Mind:
        """The same users after each took one item, int64 (N,)."""
        p, taken = self.parameters, self.factors[items]
        return Mind(
            mind.taste + p.drift_rate * (p.drift_reach * taken - mind.taste),
            p.satiation_decay * mind.satiation + taken,
        )

    def after(self, tastes: Float64Array, histories: Sequence[IntArray]) -> Mind:
        """Users with ``tastes`` at the start, after all of their histories."""
        mind = self.begin(tastes)
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        items = np.zeros((len(lengths), int(lengths.max(initial=0))), dtype=np.int64)
        for row, history in enumerate(histories):
            items[row, : len(history)] = history
        for position in range(items.shape[1]):
            rows = np.flatnonzero(lengths > position)
            moved = self.take(mind.rows(rows), items[rows, position])
            mind.taste[rows], mind.satiation[rows] = moved
        return mind

    def utility(self, mind: Mind, items: IntArray) -> Float64Array:
        """Utility of ``items``, int64 (N,) or (N, S), for each of N users; float64, that shape.

        One row of items, (1, S), is shown to all: the answer is (N, S).
        """
        wanted = mind.taste - self.parameters.satiation_weight * mind.satiation
        wanted = wanted.reshape(*wanted.shape, *[1] * (items.ndim - 1))
        offered = self.factors[items]
        total = np.empty((len(wanted), *items.shape[1:]))
        total[...] = self.parameters.quality_weight * self.quality[items]
        for k in range(self.factors.shape[1]):
            total += wanted[:, k] * offered[..., k]
        return total

    def utilities(self, mind: Mind) -> Float64Array:
        """Utility of every item for each of N users, float64 (N, n_items)."""
        everything = np.arange(len(self.factors), dtype=np.int64)[None, :]
        return self.utility(mind, everything)

    def liking(self, utility: Float64Array) -> Float64Array:
        """Liking in [0, 1] of a utility; the same shape."""
        p = self.parameters
        return sigmoid(p.liking_scale * utility + p.liking_offset)
