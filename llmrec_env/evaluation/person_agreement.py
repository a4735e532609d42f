"""How far a person in the seat of a user and the simulated user agree.

Both answered the same items at the same moments: the simulator said how probably an item is taken
and how much it is liked, the person took or skipped it and said how they like it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.evaluation.fidelity.orders import area_under_curve, spearman
from llmrec_env.evaluation.intervals import Interval, bootstrap

ENOUGH = 10
"""Answers from which a correlation or a score is given."""
ENOUGH_OF_EACH = 3
"""Takes, and skips, from which the area under the curve is given."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a person and a simulator said of n items.

    Attributes:
        taken: bool (n,), what the person took.
        liking: float64 (n,), how the person liked them, in any unit.
        chance: float64 (n,) in [0, 1], how probably the simulated user takes them.
        said_liking: float64 (n,), how the simulated user likes them.
        said_taken: bool (n,), what the simulated user took, drawn by ``chance``.

    Raises:
        DataError: they are not of one length.
    """

    taken: BoolArray
    liking: Float64Array
    chance: Float64Array
    said_liking: Float64Array
    said_taken: BoolArray

    def __post_init__(self) -> None:
        parts = (self.liking, self.chance, self.said_liking, self.said_taken)
        if any(part.shape != (len(self.taken),) for part in parts):
            raise DataError("each answer needs all five values: these are not of one length")

    def take(self, places: IntArray) -> Answers:
        """Some of them, int64 (m,), each as often as it is named."""
        parts = (getattr(self, field.name) for field in fields(self))
        return Answers(*(part[places] for part in parts))


@dataclass(frozen=True)
class Agreement:
    """How far they agree; None where there are too few answers to say.

    Attributes:
        answers: how many there are, n; taken: how many the person took.
        agreed: share of items that both took or both skipped, the simulator by its draw.
        by_chance: the share expected of two who take as often, each for themselves.
        auc: the chance that an item that was taken stands above one that was skipped, by
            ``chance``.
        brier: mean of ``(chance - taken)^2``; the smaller, the better.
        brier_of_rate: the same of the person's own share of takes, said of every item.
        spearman: rank correlation of the likings; None too where one of them is always the same.
    """

    answers: int
    taken: int
    agreed: Interval | None = None
    by_chance: float | None = None
    auc: Interval | None = None
    brier: float | None = None
    brier_of_rate: float | None = None
    spearman: Interval | None = None


def person_agreement(answers: Answers, seed: int = 0) -> Agreement:
    """Compare a person with the simulated user, with 95% intervals over answers (bootstrap).

    Answers of one person go together, so the intervals tell of this person in this seat and not of
    people.

    Args:
        answers: of both.
        seed: of the bootstrap.
    """
    n, taken = len(answers.taken), int(answers.taken.sum())
    if not n:
        return Agreement(0, 0)
    rate, said_rate = taken / n, float(answers.said_taken.mean())
    found = Agreement(
        n,
        taken,
        agreed=_with_interval(_same, answers, seed),
        by_chance=rate * said_rate + (1 - rate) * (1 - said_rate),
    )
    if min(taken, n - taken) >= ENOUGH_OF_EACH:
        found = replace(found, auc=_with_interval(_area, answers, seed))
    if n < ENOUGH:
        return found
    if not np.isnan(_order(answers)):
        found = replace(found, spearman=_with_interval(_order, answers, seed))
    errors = (answers.chance - answers.taken) ** 2
    return replace(found, brier=float(errors.mean()), brier_of_rate=rate * (1 - rate))


Statistic = Callable[[Answers], float]


def _with_interval(statistic: Statistic, answers: Answers, seed: int) -> Interval:
    """A statistic of all answers, with its interval from resampled ones."""
    places = np.arange(len(answers.taken))

    def of_sample(weights: Float64Array) -> float:
        return statistic(answers.take(np.repeat(places, weights.astype(np.int64))))

    return bootstrap(of_sample, len(places), seed)


def _same(answers: Answers) -> float:
    return float((answers.taken == answers.said_taken).mean())


def _area(answers: Answers) -> float:
    """NaN where all are taken, or none."""
    area = area_under_curve(answers.chance, answers.taken)
    return float("nan") if area is None else area


def _order(answers: Answers) -> float:
    """NaN where one of the two likes everything alike."""
    likings = answers.liking, answers.said_liking
    if any(values.min() == values.max() for values in likings):
        return float("nan")
    return spearman(*likings)
