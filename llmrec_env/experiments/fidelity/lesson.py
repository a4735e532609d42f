"""``Lesson``: what a row may learn from, and when an interaction counts as liked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.data.log import InteractionLog

Feedback = Sequence[FloatArray]
"""One rating beside each item of a history; NaN where it is unknown."""


def ratings_of(log: InteractionLog) -> FloatArray:
    """The rating of each interaction, float32 (n_interactions,); NaN where there is none."""
    if "rating" not in log.feedback.columns:
        return np.full(len(log), np.nan, dtype=np.float32)
    return log.feedback["rating"].fill_null(np.nan).to_numpy().astype(np.float32)


@dataclass(frozen=True)
class LikedRule:
    """Which ratings of a user are likes.

    Attributes:
        above: a rating above this one; None: above the mean of the ratings that are known of them.
    """

    above: float | None = None

    def __call__(self, ratings: FloatArray) -> BoolArray:
        """Whether each of one user's ratings is a like; one that is unknown counts as one."""
        known = ~np.isnan(ratings)
        if self.above is not None:
            bound = self.above
        else:
            bound = float(ratings[known].mean()) if known.any() else 0.0
        return ~known | (ratings > bound)


@dataclass(frozen=True, eq=False)
class Lesson:
    """The training and validation users of one split.

    Attributes:
        train: whom a row learns from, each interaction with its rating where the log has any.
        validation: held out, to stop by.
        liked: which ratings are likes.
        ordered: whether the log tells in which order a user took things.
        seed: of whatever a row draws.
    """

    train: InteractionLog
    validation: InteractionLog
    liked: LikedRule
    ordered: bool
    seed: int

    @property
    def n_items(self) -> int:
        """Items of the catalogue."""
        return self.train.n_items

    @property
    def rated(self) -> bool:
        """Whether the log has ratings."""
        return "rating" in self.train.feedback.columns

    @cached_property
    def histories(self) -> list[IntArray]:
        """The items of each training user."""
        return self.train.sequences()

    @cached_property
    def feedback(self) -> list[FloatArray]:
        """Their ratings beside them."""
        return np.split(ratings_of(self.train), self.train.offsets[1:-1])
