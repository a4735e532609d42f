"""Explicit matrix factorisation: ratings as products of vectors, learned by least squares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson
from llmrec_env.experiments.fidelity.rows.base import ScoringRow
from llmrec_env.experiments.fidelity.rows.matrices import Reader
from llmrec_env.users.base import Histories

ROUNDS = 12


@dataclass
class ExplicitFactors(ScoringRow):
    """Centred ratings as item bias plus user vector times item vector (ALS).

    A new user's vector is the ridge solution from the ratings of their history.
    """

    takes = False
    factors: int = 10
    penalty: float = 10.0
    """Of a user's or item's vector, in units of one rating's variance."""
    item_penalty: float = 5.0
    """Ratings of the average item that an item's bias is taken together with."""

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Alternate between users and items."""
        self.n_items = lesson.n_items
        self._reader = Reader.of("centred", lesson)
        users = self._reader.training_rows().astype(np.float64)
        counts = np.diff(users.tocsc().indptr)
        total = np.asarray(users.sum(axis=0)).ravel()
        self._bias: Float64Array = total / (counts + self.item_penalty)
        users.data -= self._bias[users.indices]
        self._scale = float(users.data.std()) or 1.0
        users.data /= self._scale
        items = users.T.tocsr()
        rng = np.random.default_rng(lesson.seed)
        vectors = rng.normal(0, 0.1, (self.n_items, self.factors))
        for _ in range(ROUNDS):
            vectors = self._solve(items, self._solve(users, vectors))
        self._vectors = vectors

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """Predicted centred ratings."""
        rows = self._reader.rows(histories, feedback).astype(np.float64)
        rows.data = (rows.data - self._bias[rows.indices]) / self._scale
        found = self._solve(rows, self._vectors) @ self._vectors.T
        return (self._bias + self._scale * found).astype(np.float32)

    def _solve(self, rows: Any, vectors: Float64Array) -> Float64Array:
        """The vectors that best explain each row's ratings, float64 (n_rows, factors)."""
        there = rows.copy()
        there.data = np.ones_like(there.data)
        products = (vectors[:, :, None] * vectors[:, None, :]).reshape(len(vectors), -1)
        grams = (there @ products).reshape(-1, self.factors, self.factors)
        grams += self.penalty * np.eye(self.factors)
        return np.linalg.solve(grams, (rows @ vectors)[:, :, None])[:, :, 0]
