"""A next-item recommender of this package, such as SASRec, as a row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agents import Recommender
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.training import clear_checkpoint
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson
from llmrec_env.experiments.fidelity.rows.base import ScoringRow
from llmrec_env.users.base import Histories


@dataclass
class NextItemRecommender(ScoringRow):
    """Reads what was taken, in its order, whatever the rating; its one score answers both."""

    backbone: str = "sasrec"
    dim: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.4
    tied: bool = False
    """Whether the items that are read and those that are told share their vectors."""
    epochs: int = 20

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Learn until the validation users' NDCG@10 stops rising."""
        self.n_items = lesson.n_items
        self._recommender = Recommender(
            backbone=self.backbone,
            dim=self.dim,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            tied=self.tied,
            epochs=self.epochs,
            seed=lesson.seed,
        )
        self._recommender.fit(lesson.train, validation=lesson.validation, folder=folder)
        clear_checkpoint(folder)

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """Logits of the next item; popularity after an empty history."""
        return self._recommender.score(histories)
