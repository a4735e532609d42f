"""Item-kNN: items that the same users take, like or rate alike, or take near one another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.extras import require
from llmrec_env.data.neighbours import ItemNeighbours
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson
from llmrec_env.experiments.fidelity.rows.base import ScoringRow
from llmrec_env.experiments.fidelity.rows.matrices import Reader, Reads
from llmrec_env.users.base import Histories

BLOCK = 2000
"""Items compared with all others at once."""


@dataclass
class AlikeItems(ScoringRow):
    """The cosine of items as rows of users, whatever the order of a history.

    With ratings, a score is the mean of the history's centred ratings, weighted by likeness, above
    the item's own mean.
    """

    reads: Reads = "taken"
    k: int = 100
    """Neighbours of an item."""
    shrink: float = 10.0
    """Added to the product of two items' lengths: few common users make no likeness."""

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Compare all pairs of items."""
        self.n_items = lesson.n_items
        self._reader = Reader.of(self.reads, lesson)
        users, self._means = self._reader.less_means()
        self._alike = self._nearest(users)

    def _nearest(self, users: Any) -> Any:
        """The K most alike of each item: scipy CSR (n_items, n_items), made block by block."""
        sparse = require("scipy.sparse", "bench")
        lengths = np.sqrt(np.asarray(users.multiply(users).sum(axis=0)).ravel())
        items, blocks = users.T.tocsr(), []
        for start in range(0, self.n_items, BLOCK):
            own = np.arange(start, min(start + BLOCK, self.n_items))
            alike = (items @ users[:, own]).toarray()
            alike /= lengths[:, None] * lengths[own] + self.shrink
            alike[own, own - start] = 0.0
            if self.k < self.n_items:
                bound = -np.partition(-alike, self.k, axis=0)[self.k]
                alike[alike < bound] = 0.0
            blocks.append(sparse.csr_matrix(alike))
        return sparse.hstack(blocks, format="csr")

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """Likeness to the history."""
        rows = self._reader.rows(histories, feedback)
        if self.reads != "centred":
            return (rows @ self._alike).toarray().astype(np.float32)
        rows.data -= self._means[rows.indices]
        weights = (abs(rows.sign()) @ abs(self._alike)).toarray()
        told = (rows @ self._alike).toarray() / (weights + 1.0)
        return (self._means + told).astype(np.float32)


@dataclass
class NearItems(ScoringRow):
    """Items that users take near one another, weighed by how near, and how recent in a history."""

    reach: int = 10
    span: int = 50
    decay: float = 0.5
    backward: float = 0.3
    popularity: float = 0.2

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Count pairs."""
        self.n_items = lesson.n_items
        self._neighbours = ItemNeighbours.of(
            lesson.train,
            min(100, lesson.n_items),
            self.reach,
            span=self.span,
            decay=self.decay,
            backward=self.backward,
            popularity=self.popularity,
        )

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """Likeness to the last items of the history; nothing is known after an empty one."""
        scores = np.zeros((len(histories), self.n_items), dtype=np.float32)
        known = [row for row, history in enumerate(histories) if len(history)]
        if known:
            lengths: IntArray = np.array([len(histories[row]) for row in known])
            ends = np.cumsum(lengths)
            items = np.concatenate([histories[row] for row in known])
            scores[known] = self._neighbours.scores(items, ends - lengths, ends - 1)
        return scores
