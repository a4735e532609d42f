"""The two questions, and how an answer is read: from log-probabilities of tokens, or from words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple


class Reading(NamedTuple):
    """What was read from an answer.

    Attributes:
        value: in [0, 1].
        mass: the probability of all answers that the question allows; NaN where no
            log-probabilities were given.
    """

    value: float
    mass: float


@dataclass(frozen=True)
class Question:
    """What is asked about a person and an item.

    Attributes:
        name: what to call it in an error.
        values: the answers that it allows, each with its value in [0, 1].
    """

    name: str
    values: Mapping[str, float]

    @property
    def schema(self) -> dict[str, Any]:
        """The answer as a JSON schema, in the form that chat completions take."""
        answer = {"type": "string", "enum": list(self.values)}
        schema = {
            "type": "object",
            "properties": {"answer": answer},
            "required": ["answer"],
            "additionalProperties": False,
        }
        wrapped = {"name": self.name, "strict": True, "schema": schema}
        return {"type": "json_schema", "json_schema": wrapped}

    @property
    def reminder(self) -> str:
        """What is said to a model that answered something else."""
        return f"Answer with one of these alone: {', '.join(self.values)}."

    def nearest(self, value: float) -> str:
        """The answer whose value is nearest to one in [0, 1]; the higher of two."""
        return min(reversed(list(self.values)), key=lambda answer: abs(self.values[answer] - value))

    def expected(self, tokens: Iterable[tuple[str, float]]) -> Reading | None:
        """The expected value over the answers, given a token's alternatives.

        Args:
            tokens: texts of tokens and their log-probabilities; blanks and case do not count.

        Returns:
            None where none of the answers is among them.
        """
        masses = dict.fromkeys(self._by_word, 0.0)
        for text, log_probability in tokens:
            word = text.strip(BLANKS).casefold()
            if word in masses and not math.isnan(log_probability):
                masses[word] += math.exp(min(log_probability, 0.0))
        mass = sum(masses.values())
        if mass == 0.0:
            return None
        value = sum(self._by_word[word] * own for word, own in masses.items()) / mass
        return Reading(min(value, 1.0), min(mass, 1.0))

    def parsed(self, text: str) -> Reading | None:
        """The value of an answer in words, JSON as of :attr:`schema` or plain; else None."""
        said = text.rpartition("</think>")[2]
        found = self._pattern.search(_answer_of(said))
        return Reading(self._by_word[found[1].casefold()], math.nan) if found else None

    @cached_property
    def _by_word(self) -> dict[str, float]:
        return {answer.casefold(): value for answer, value in self.values.items()}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        words = "|".join(map(re.escape, self.values))  # "3.5" and "10" hold no answer
        return re.compile(rf"(?<![\w.])({words})(?!\w|[.,]\d)", re.IGNORECASE)


BLANKS = " \t\r\n\u0120\u010a\u2581"
"""White space, and the signs by which some tokenizers write it."""

LIKING = Question("liking", {str(points): (points - 1) / 4 for points in range(1, 6)})
"""How much would they like it, in points from 1 to 5."""
TAKING = Question("taking", {"No": 0.0, "Yes": 1.0})
"""Would they take it."""


def _answer_of(text: str) -> str:
    """What stands under "answer" where a text is JSON, else the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    answer = value.get("answer") if isinstance(value, dict) else value
    return str(answer)
