"""Rows that know nobody: how popular an item is, and how well it is rated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson
from llmrec_env.experiments.fidelity.rows.base import ScoringRow
from llmrec_env.experiments.fidelity.rows.matrices import Reader, Reads
from llmrec_env.users.base import Histories


@dataclass
class Popularity(ScoringRow):
    """How many training users took an item, or liked it."""

    reads: Reads = "taken"

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Count."""
        self.n_items = lesson.n_items
        rows = Reader.of(self.reads, lesson).training_rows()
        self._counts = np.asarray(rows.sum(axis=0), dtype=np.float32).ravel()

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """The counts, for everyone alike."""
        return np.broadcast_to(self._counts, (len(histories), self.n_items))


@dataclass
class MeanRating(ScoringRow):
    """An item's mean rating, drawn to the mean of all where few rated it."""

    takes = False
    shrink: float = 5.0
    """Ratings of the average item that an item's own are taken together with."""
    centred: bool = False
    """Whether each rating counts less its user's own mean."""

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Take the means."""
        self.n_items = lesson.n_items
        reader = Reader.of("centred", lesson)
        kept = [own if not self.centred else reader.values(own) for own in lesson.feedback]
        ratings = np.concatenate(kept).astype(np.float64)
        known = ~np.isnan(ratings)
        items, ratings = lesson.train.items[known], ratings[known]
        overall = float(ratings.mean())
        total = np.bincount(items, ratings, minlength=self.n_items) + self.shrink * overall
        counts = np.bincount(items, minlength=self.n_items) + self.shrink
        means = np.where(counts > 0, total / np.maximum(counts, 1e-9), overall)
        self._means = means.astype(np.float32)

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """The means, for everyone alike."""
        return np.broadcast_to(self._means, (len(histories), self.n_items))
