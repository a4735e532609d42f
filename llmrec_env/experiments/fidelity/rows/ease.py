"""EASE: a linear model from items to items that never uses an item to tell itself."""

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
class Ease(ScoringRow):
    """Ridge regression of every item on all others, in closed form.

    With ``P`` the inverse of ``X'X + penalty``, a history ``x`` scores ``x - xP / diag P``. Where
    there are fewer users than items, ``xP`` comes from the users' side: no matrix of items by items
    is made.
    """

    reads: Reads = "taken"
    penalty: float = 200.0

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Invert the smaller of the two matrices."""
        self.n_items = lesson.n_items
        self._reader = Reader.of(self.reads, lesson)
        users, self._means = self._reader.less_means()
        self._users = None if self.n_items <= users.shape[0] else users
        if self._users is None:
            self._inverse = _inverse((users.T @ users).toarray(), self.penalty)
            self._diagonal = self._inverse.diagonal().copy()
        else:
            self._inverse = _inverse((users @ users.T).toarray(), self.penalty)
            own = users.multiply((users.T @ self._inverse).T).sum(axis=0)
            self._diagonal = ((1.0 - np.asarray(own).ravel()) / self.penalty).astype(np.float32)

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """What the rest of the history tells of every item."""
        rows = self._reader.rows(histories, feedback)
        if self.reads == "centred":
            rows.data -= self._means[rows.indices]
        plain = rows.toarray()
        if self._users is None:
            told = rows @ self._inverse
        else:
            beside = (rows @ self._users.T) @ self._inverse
            told = (plain - (self._users.T @ beside.T).T) / self.penalty
        return (self._means + plain - told / self._diagonal).astype(np.float32)


def _inverse(products: FloatArray, penalty: float) -> FloatArray:
    products[np.diag_indices_from(products)] += penalty
    return np.linalg.inv(products)
