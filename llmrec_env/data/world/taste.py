"""The true preferences of the generated world's users, and how taking an item changes them.

The utility of item ``i`` for a user with taste ``t`` and satiation ``s``, both in R^k, is::

    u(i) = (t - satiation_weight * s) . f_i  +  quality_weight * q_i            f_i: unit factors
    liking(i) = sigmoid(liking_scale * u(i) + liking_offset)

and taking an item moves the user, deterministically::

    t <- t + drift_rate * (drift_reach * f - t)       the taste drifts towards what was taken
    t <- turn(t, turn_rate)                           and turns by itself, the same way for all
    s <- satiation_decay * s + f                      for a while, more of the same pleases less

In a world with trust, whatever is shown, taken or not, moves the user's trust c in [0, 1] towards
how good it was; a user who trusts less takes less, and likes what they like as before::

    c <- c + trust_rate * (min(1, liking / trust_level) - c)
    willingness(i) = u(i) - trust_weight * (1 - c)

Trust begins at 1. ``turn`` rotates the factors by pairs, the first with the second and so on.
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
from llmrec_env.common.errors import SettingError
from llmrec_env.common.logistic import sigmoid
from llmrec_env.common.settings_types import check_types


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
    turn_rate: float = 0.0
    """Radians by which a taste turns with each interaction."""
    trust_rate: float = 0.0
    trust_level: float = 0.7
    """Liking from which a recommendation counts as good."""
    trust_weight: float = 1.5

    def __post_init__(self) -> None:
        check_types(self)
        if not (0.0 <= self.drift_rate <= 1.0 and 0.0 <= self.trust_rate <= 1.0):
            raise SettingError(
                f"drift_rate and trust_rate are shares of a way, in [0, 1]; got {self.drift_rate} "
                f"and {self.trust_rate}"
            )
        if not (self.satiation_weight >= 0.0 and 0.0 < self.trust_level <= 1.0):
            raise SettingError(
                "satiation_weight must be 0 or more and trust_level in (0, 1]; got "
                f"{self.satiation_weight} and {self.trust_level}"
            )

    @property
    def has_trust(self) -> bool:
        """Whether users trust less after bad recommendations."""
        return self.trust_rate > 0.0


class Mind(NamedTuple):
    """What moves in N users.

    Attributes:
        taste, satiation: float64 (N, n_factors).
        trust: float64 (N,), in [0, 1]; 1 in a world without trust.
    """

    taste: Float64Array
    satiation: Float64Array
    trust: Float64Array

    def rows(self, rows: NDArray[Any]) -> Mind:
        """Some of the users (a copy)."""
        return Mind(self.taste[rows], self.satiation[rows], self.trust[rows])

    def put(self, rows: NDArray[Any], moved: Mind) -> None:
        """Some of the users become others."""
        self.taste[rows], self.satiation[rows], self.trust[rows] = moved


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
        return Mind(tastes.copy(), np.zeros_like(tastes), np.ones(len(tastes)))

    def take(self, mind: Mind, items: IntArray) -> Mind:
        """The same users after each took one item, int64 (N,)."""
        p, taken = self.parameters, self.factors[items]
        trust = self.show(mind, items).trust
        taste = mind.taste + p.drift_rate * (p.drift_reach * taken - mind.taste)
        return Mind(_turned(taste, p.turn_rate), p.satiation_decay * mind.satiation + taken, trust)

    def show(self, mind: Mind, items: IntArray) -> Mind:
        """The same users after each was shown one item, int64 (N,), and left it."""
        p = self.parameters
        if not p.has_trust:
            return mind
        good = np.minimum(1.0, self.liking(self.utility(mind, items)) / p.trust_level)
        return mind._replace(trust=mind.trust + p.trust_rate * (good - mind.trust))

    def after(self, tastes: Float64Array, histories: Sequence[IntArray]) -> Mind:
        """Users with ``tastes`` at the start, after all of their histories."""
        mind = self.begin(tastes)
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        items = np.zeros((len(lengths), int(lengths.max(initial=0))), dtype=np.int64)
        for row, history in enumerate(histories):
            items[row, : len(history)] = history
        for position in range(items.shape[1]):
            rows = np.flatnonzero(lengths > position)
            mind.put(rows, self.take(mind.rows(rows), items[rows, position]))
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

    def willingness(self, mind: Mind, utility: Float64Array) -> Float64Array:
        """Utility, (N,) or (N, S), less what distrust takes from it; the same shape.

        The probability that a shown item is taken rises with it.
        """
        p = self.parameters
        if not p.has_trust:
            return utility
        doubt = p.trust_weight * (1.0 - mind.trust)
        return utility - doubt.reshape(-1, *[1] * (utility.ndim - 1))

    def liking(self, utility: Float64Array) -> Float64Array:
        """Liking in [0, 1] of a utility; the same shape."""
        p = self.parameters
        return sigmoid(p.liking_scale * utility + p.liking_offset)


def _turned(taste: Float64Array, angle: float) -> Float64Array:
    """Tastes (N, n_factors) turned by an angle in each pair of factors; an odd last one stays."""
    if angle == 0.0:
        return taste
    pairs = taste.shape[1] // 2
    first, second = taste[:, 0 : 2 * pairs : 2], taste[:, 1 : 2 * pairs : 2]
    turned = taste.copy()
    turned[:, 0 : 2 * pairs : 2] = np.cos(angle) * first - np.sin(angle) * second
    turned[:, 1 : 2 * pairs : 2] = np.sin(angle) * first + np.cos(angle) * second
    return turned
