"""Ways of asking for one of a few answers, the best first: servers differ in what they know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmrec_env.users.prompting.questions import Question


@dataclass(frozen=True)
class Way:
    """One way of asking.

    Attributes:
        name: what to call it.
        alternatives: how many tokens' log-probabilities are asked for; 0 reads the words.
        constrained: whether the server is asked to allow the answers alone.
        tokens: that the model may write.
    """

    name: str
    alternatives: int = 0
    constrained: bool = False
    tokens: int = 1

    def options(self, question: Question) -> dict[str, Any]:
        """Fields of the request."""
        options: dict[str, Any] = {"max_tokens": self.tokens, "temperature": 0.0}
        if self.alternatives:
            options |= {"logprobs": True, "top_logprobs": self.alternatives}
        if self.constrained:
            options["response_format"] = question.schema
        return options


BY_PROBABILITY = (
    Way("log-probabilities of 20 tokens", alternatives=20),
    Way("log-probabilities of 5 tokens", alternatives=5),  # as many as some servers allow
)
BY_WORDS = (
    Way("a constrained answer", constrained=True, tokens=32),
    Way("an answer in words", tokens=32),
)
