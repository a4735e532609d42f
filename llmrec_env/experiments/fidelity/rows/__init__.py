"""The rows of a table of fidelity, by name: settings among which validation chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmrec_env.experiments.fidelity.lesson import Lesson
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.experiments.fidelity.rows.counting import MeanRating, Popularity
from llmrec_env.experiments.fidelity.rows.explicit_factors import ExplicitFactors
from llmrec_env.experiments.fidelity.rows.set_encoder import SetEncoder

Grid = Callable[[Lesson, float], Sequence[Row]]
"""The settings tried on a lesson, with every training length times a budget."""


def _popularity(lesson: Lesson, budget: float) -> Sequence[Row]:
    return [Popularity("taken"), *([Popularity("liked")] if lesson.rated else [])]


def _mean(lesson: Lesson, budget: float) -> Sequence[Row]:
    return [MeanRating(shrink, centred) for shrink in (1.0, 5.0, 20.0) for centred in (False, True)]


def _explicit(lesson: Lesson, budget: float) -> Sequence[Row]:
    sizes, penalties = (5, 10, 20, 40), (3.0, 10.0, 30.0, 60.0)
    return [ExplicitFactors(factors, own) for factors in sizes for own in penalties]


def _set_encoder(lesson: Lesson, budget: float) -> Sequence[Row]:
    steps = max(1, round(1500 * budget))
    if not lesson.rated:
        return [SetEncoder("taking", steps=steps, dropout=drop) for drop in (0.3, 0.5)]
    liking = [SetEncoder("liking", hidden, steps=steps) for hidden in (0.0, 0.5)]
    return [*liking, SetEncoder("taking", steps=steps)]


ROWS: dict[str, Grid] = {
    "popularity": _popularity,
    "mean": _mean,
    "explicit-mf": _explicit,
    "set-encoder": _set_encoder,
}
"""All rows."""
BASELINES = ("popularity", "mean", "explicit-mf", "set-encoder")
"""Those without a language model."""
LABELS = {
    "popularity": "popularity (likes)",
    "mean": "mean rating, not personal",
    "explicit-mf": "explicit matrix factorisation",
    "set-encoder": "set encoder of (item, rating) pairs",
}
"""What tables call them."""
