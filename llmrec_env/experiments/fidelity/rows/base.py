"""``Row``: what stands in a table of fidelity, and answers for users whom it never met."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson
from llmrec_env.users.base import Histories


class Row(ABC):
    """One setting of a row: it learns once and is then asked."""

    likes: ClassVar[bool] = True
    """Whether it answers how much a user would like an item."""
    takes: ClassVar[bool] = True
    """Whether it answers what a user would take."""
    ranks: ClassVar[bool] = True
    """Whether it can put a whole catalogue in an order."""
    waits: ClassVar[bool] = False
    """Whether another program answers for it: its seconds are those waited, not CPU seconds."""

    @abstractmethod
    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Learn from the training users.

        Args:
            lesson: what may be learned from.
            folder: where it may keep what it would lose if it were killed.
        """

    @abstractmethod
    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """How much each user would like each candidate, in any unit.

        Args:
            histories: N arrays of items; one may be empty.
            feedback: N arrays of ratings of the same lengths, NaN where unknown.
            candidates: int64 (N, C).

        Returns:
            float32 (N, C).
        """

    def acceptance(
        self, histories: Histories, feedback: Feedback, candidates: IntArray
    ) -> FloatArray:
        """How likely each user is to take each candidate, in any unit: float32 (N, C).

        A row with one answer to both questions gives its liking.
        """
        return self.liking(histories, feedback, candidates)

    def next_items(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """Scores of all items as the next one, float32 (N, n_items): the acceptance of each."""
        everything = np.arange(self.n_items, dtype=np.int64)
        candidates = np.broadcast_to(everything, (len(histories), self.n_items))
        return self.acceptance(histories, feedback, candidates)

    def usage(self) -> dict[str, int]:
        """What it has asked of another program so far, by what is counted; empty where nothing."""
        return {}

    n_items: int
    """Items of the catalogue, known once it has learned."""

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Scores after each prefix, as :class:`llmrec_env.evaluation.ranking.Ranker` gives them."""
        prefixes = [s[:end] for s in sequences for end in range(1, len(s))]
        unknown = [np.full(len(prefix), np.nan, dtype=np.float32) for prefix in prefixes]
        return self.next_items(prefixes, unknown)


class ScoringRow(Row):
    """A row that scores all items of the catalogue at once, and answers both questions by that."""

    @abstractmethod
    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """Scores float32 (N, n_items)."""

    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """The scores of the candidates."""
        return np.take_along_axis(self.scores(histories, feedback), candidates, axis=1)

    def next_items(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """The scores."""
        return self.scores(histories, feedback)
