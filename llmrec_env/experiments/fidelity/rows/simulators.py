"""Simulated users as rows: whatever :class:`UserSimulator` a row makes for a split."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.evaluation.ranking import SimulatorRanker
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.users.base import Histories, Response, UserSimulator

if TYPE_CHECKING:
    from llmrec_env.language.fitting import FitConfig


class SimulatedUsers(Row):
    """Asks a simulated user: its reward is the liking, its acceptance the taking."""

    @abstractmethod
    def make(self, lesson: Lesson, folder: Path) -> UserSimulator:
        """The simulated user of a split, which may have learned from its training users alone."""

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Make the simulated user."""
        self.n_items = lesson.n_items
        self._simulator = self.make(lesson, folder)

    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """Its rewards."""
        return self._answers(histories, feedback, candidates).reward

    def acceptance(
        self, histories: Histories, feedback: Feedback, candidates: IntArray
    ) -> FloatArray:
        """Its chances of taking."""
        return self._answers(histories, feedback, candidates).accept_probability

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Its own action model."""
        return SimulatorRanker(self._simulator).score_steps(sequences)

    def _answers(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> Response:
        return self._simulator.answers(histories, candidates, feedback)


@dataclass
class LearnedLE(SimulatedUsers):
    """An LE that learns from the split's training users.

    Attributes:
        config: how; None: as ``llmrec fit`` does.
        base_model: hub name or folder of the language model; None pretrains a small one.
        budget: factor on its training lengths.
    """

    config: FitConfig | None = None
    base_model: str | None = None
    budget: float = field(default=1.0, repr=False)

    def make(self, lesson: Lesson, folder: Path) -> UserSimulator:
        """Learn it; a training that was killed goes on."""
        from llmrec_env.language.fitting import FitConfig, fit_language_environment
        from llmrec_env.users.language import LanguageUser

        config = self.config or FitConfig()
        config = replace(
            config,
            model=replace(config.model, seed=lesson.seed),
            learning=replace(config.learning, seed=lesson.seed),
            liking=replace(config.liking, seed=lesson.seed),
        )
        model = fit_language_environment(
            lesson.train,
            lesson.validation,
            self.base_model,
            config if self.budget == 1.0 else config.scaled(self.budget),
            checkpoint=folder,
        )
        return LanguageUser(model)
