"""Implicit matrix factorisation (weighted ALS of the library ``implicit``)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.extras import require
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson
from llmrec_env.experiments.fidelity.rows.base import ScoringRow
from llmrec_env.experiments.fidelity.rows.matrices import Reader, Reads
from llmrec_env.users.base import Histories


@dataclass
class ImplicitFactors(ScoringRow):
    """What was taken or liked against all the rest; a new user's vector is folded in."""

    reads: Reads = "taken"
    factors: int = 32
    penalty: float = 0.1
    alpha: float = 2.0
    """How much more a taken item weighs than another."""
    iterations: int = 15

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Alternate between users and items."""
        als = require("implicit.als", "bench")
        self.n_items = lesson.n_items
        self._reader = Reader.of(self.reads, lesson)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the threads of a library that is not ours
            self._model = als.AlternatingLeastSquares(
                factors=self.factors,
                regularization=self.penalty,
                alpha=self.alpha,
                iterations=self.iterations,
                num_threads=1,
                random_state=lesson.seed,
            )
            self._model.fit(self._reader.training_rows(), show_progress=False)

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """Products of the folded-in users with all items."""
        rows = self._reader.rows(histories, feedback)
        users = self._model.recalculate_user(np.arange(len(histories)), rows)
        return np.atleast_2d(users) @ self._model.item_factors.T
