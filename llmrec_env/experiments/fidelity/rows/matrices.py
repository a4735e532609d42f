"""Users as rows of a sparse matrix: what they took, what they liked, or how they rated it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.extras import require
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson
from llmrec_env.users.base import Histories

Reads = Literal["taken", "liked", "centred"]
SHRINK = 3.0
"""Ratings of the average user that a user's own mean is taken together with."""


@dataclass(frozen=True)
class Reader:
    """How a history becomes one row of numbers, one an item.

    Attributes:
        reads: "taken": 1 for every item; "liked": 1 for what they liked and 0 for the rest;
            "centred": the rating less the user's own (shrunk) mean.
        lesson: what was learned from.
        mean: of all ratings.
        of_a_like: centred rating of an item of which only is known that it was liked.
    """

    reads: Reads
    lesson: Lesson
    mean: float
    of_a_like: float

    @classmethod
    def of(cls, reads: Reads, lesson: Lesson) -> Reader:
        """A reader that knows the training users' means."""
        if not lesson.rated:
            return cls(reads, lesson, 0.0, 1.0)
        ratings = np.concatenate(lesson.feedback)
        mean = float(np.nanmean(ratings))
        rough = cls(reads, lesson, mean, 0.0)
        centred = np.concatenate([rough._centred(own) for own in lesson.feedback])
        likes = np.concatenate([lesson.liked(own) for own in lesson.feedback])
        return cls(reads, lesson, mean, float(centred[likes].mean()))

    def training_rows(self) -> Any:
        """The training users: scipy CSR float32 (n_users, n_items)."""
        return self.rows(self.lesson.histories, self.lesson.feedback)

    def less_means(self) -> tuple[Any, FloatArray]:
        """The training users, less each item's (shrunk) mean where ratings are centred, and it.

        Returns:
            scipy CSR float32 (n_users, n_items), and float32 (n_items,), zero where not centred.
        """
        users = self.training_rows()
        means = np.zeros(self.lesson.n_items, dtype=np.float32)
        if self.reads == "centred":
            counts = np.diff(users.tocsc().indptr)
            means = (np.asarray(users.sum(axis=0)).ravel() / (counts + 5.0)).astype("float32")
            users.data -= means[users.indices]
        return users, means

    def rows(self, histories: Histories, feedback: Feedback) -> Any:
        """Users with these histories: scipy CSR float32 (N, n_items)."""
        sparse = require("scipy.sparse", "bench")
        values = [self.values(own) for own in feedback]
        lengths = [len(history) for history in histories]
        nothing = np.empty(0)
        items = np.concatenate([nothing, *histories]).astype(np.int64)
        flat = np.concatenate([nothing, *values]).astype(np.float32)
        users = np.repeat(np.arange(len(lengths)), lengths)
        shape = (len(lengths), self.lesson.n_items)
        matrix = sparse.csr_matrix((flat, (users, items)), shape=shape)
        if self.reads != "centred":
            matrix.data = np.minimum(matrix.data, 1.0)  # taken twice is taken
            matrix.eliminate_zeros()
        return matrix

    def values(self, ratings: FloatArray) -> FloatArray:
        """One number for each of a user's ratings, float32."""
        if self.reads == "taken" or not self.lesson.rated:
            return np.ones(len(ratings), dtype=np.float32)
        if self.reads == "liked":
            return self.lesson.liked(ratings).astype(np.float32)
        return self._centred(ratings)

    def _centred(self, ratings: FloatArray) -> FloatArray:
        known = ~np.isnan(ratings)
        own = (ratings[known].sum() + SHRINK * self.mean) / (known.sum() + SHRINK)
        return np.where(known, ratings - own, self.of_a_like).astype(np.float32)
