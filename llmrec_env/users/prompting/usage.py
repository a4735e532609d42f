"""``Usage``: what asking has cost so far."""

from __future__ import annotations

from dataclasses import dataclass

from llmrec_env.common.errors import SettingError

MILLION = 1_000_000


@dataclass
class Usage:
    """Counts since the server was made, over all users that share it.

    Attributes:
        questions: answered, from the cache or by the server.
        cached: of them, those that the cache answered.
        requests: sent to the server, repeats among them.
        retries: of them, repeats after a failure.
        unreadable: answers in which nothing that the question allows could be read.
        prompt_tokens: read by the model, as the server counts them.
        reused_tokens: of them, those that it had read before and says so.
        completion_tokens: written by the model.
    """

    questions: int = 0
    cached: int = 0
    requests: int = 0
    retries: int = 0
    unreadable: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0

    def cost(self, prices: tuple[float, float] | None) -> float:
        """What the tokens cost.

        Args:
            prices: of a million tokens, read and written.

        Raises:
            SettingError: no prices are known.
        """
        if prices is None:
            raise SettingError("no prices: give ModelServer prices=(read, written), a million each")
        read, written = prices
        return (self.prompt_tokens * read + self.completion_tokens * written) / MILLION
