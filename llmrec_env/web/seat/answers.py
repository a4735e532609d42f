"""``AnswersFile``: every answer of a person, written down as it comes; a line of JSON each."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from llmrec_env.common.errors import DataError
from llmrec_env.common.file_errors import file_errors
from llmrec_env.evaluation.person_agreement import Answers


@dataclass(frozen=True)
class Answer:
    """What a person said of an item, and what the simulated user said.

    Attributes:
        visit: the number of the sitting that it belongs to; step: which answer of it, from 0.
        agent: who recommended.
        user_id: whose history the person had; item_id, title: what was shown.
        taken: whether the person took it; liking: how they like it, 1 to 5.
        le_accept_probability: how probably the simulated user takes it; le_taken: drawn by it.
        le_liking: how the simulated user likes it, in [0, 1].
        at: when, in UTC (ISO 8601).
    """

    visit: str
    step: int
    agent: str
    user_id: str
    item_id: str
    title: str
    taken: bool
    liking: int
    le_accept_probability: float
    le_taken: bool
    le_liking: float
    at: str


class AnswersFile:
    """A file of answers, which only grows; what a kill cut short is taken off when it is opened.

    Args:
        path: of the file; it need not be there.

    Attributes:
        answers: all that it holds.

    Raises:
        DataError: it holds something else.
        FileError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: list[Answer] = []
        if path.exists():
            with file_errors("cannot read", path):
                text = path.read_bytes()
                whole = text[: text.rfind(b"\n") + 1]
                if whole != text:
                    os.truncate(path, len(whole))
            self.answers = [self._read(line) for line in whole.decode().splitlines()]

    def append(self, answer: Answer) -> None:
        """Write an answer down for good."""
        line = json.dumps(asdict(answer), ensure_ascii=False) + "\n"
        with file_errors("cannot write", self.path), self.path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        self.answers.append(answer)

    def of(self, visit: str) -> list[Answer]:
        """The answers of one sitting, in their order."""
        return [answer for answer in self.answers if answer.visit == visit]

    def _read(self, line: str) -> Answer:
        try:
            return Answer(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{self.path}: no answers of people ({error}); name another folder with --out"
            ) from None


def compared(answers: Sequence[Answer]) -> Answers:
    """Answers as arrays, to be compared."""

    def column(name: str, kind: type) -> np.ndarray:
        return np.array([getattr(answer, name) for answer in answers], dtype=kind)

    return Answers(
        column("taken", np.bool_),
        column("liking", np.float64),
        column("le_accept_probability", np.float64),
        column("le_liking", np.float64),
        column("le_taken", np.bool_),
    )
