"""A prompted language model as a row: it learns nothing, and answers in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.data.feedback import FeedbackRange
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson, ratings_of
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.users.base import Histories
from llmrec_env.users.prompted import PromptedUser
from llmrec_env.users.prompting.examples import draw_examples
from llmrec_env.users.prompting.prompts import Example
from llmrec_env.users.prompting.questions import LIKING, TAKING
from llmrec_env.users.prompting.server import ModelServer

SILENCE = 300.0
"""Seconds that a server may be silent: a small machine reads a first few-shot prompt slowly."""
ANSWERS = "answers.sqlite"


@dataclass
class Prompted(Row):
    """Asks a model behind a server; taking is not calibrated, which would change no order.

    The last ten items of a history stand in the prompt, with their ratings where they are told.
    """

    ranks: ClassVar[bool] = False
    waits: ClassVar[bool] = True
    model: str
    """The name by which the server knows it."""
    base_url: str
    shots: int = 0
    """Answers of training users that are shown before each question."""

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Draw the examples; answers are kept in the folder as they come."""
        self.n_items = lesson.n_items
        self._server = ModelServer(self.model, self.base_url, timeout=SILENCE)
        shown = self._examples(lesson)
        self._user = PromptedUser(
            self._server, lesson.train, examples=shown, cache=folder / ANSWERS
        )

    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """The expected rating."""
        return self._user.ask(LIKING, histories, candidates, feedback)

    def acceptance(
        self, histories: Histories, feedback: Feedback, candidates: IntArray
    ) -> FloatArray:
        """The probability of Yes."""
        return self._user.ask(TAKING, histories, candidates, feedback)

    def usage(self) -> dict[str, int]:
        """Questions, requests and tokens so far."""
        return asdict(self._server.usage)

    def _examples(self, lesson: Lesson) -> list[Example]:
        if not self.shots:
            return []
        known = None
        if lesson.rated:
            known = FeedbackRange.of(lesson.train).shares(ratings_of(lesson.train))
        return draw_examples(lesson.train, self.shots, known, lesson.seed)
