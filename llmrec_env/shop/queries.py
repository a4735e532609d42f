"""Searches that an instruction suggests, the same for every agent."""

from __future__ import annotations

import re

from llmrec_env.shop.words import spaced, words_of

PRICE = re.compile(r",? and price lower than [\d.]+ dollars$")
OPTIONS = re.compile(r" with [\w ]+: .*$")


class Suggestions:
    """Derives searches from an instruction, and from nothing else of a goal.

    Args:
        kinds: what the shop sells, the ``query`` of its products: public knowledge.
    """

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds: dict[str, str] = {spaced(kind): kind for kind in kinds}
        self._longest = max((len(words_of(kind)) for kind in kinds), default=0)

    def of(self, instruction: str) -> tuple[str, ...]:
        """One to three different searches: whole, without options and price, category."""
        whole = clean_query(instruction)
        short = clean_query(OPTIONS.sub("", PRICE.sub("", instruction)))
        return tuple(dict.fromkeys(q for q in (whole, short, self._kind(short)) if q))

    def _kind(self, text: str) -> str:
        """The longest kind of thing that stands in the text, else the text."""
        words = words_of(text)
        for length in range(min(self._longest, len(words)), 0, -1):
            for first in range(len(words) - length + 1):
                kind = self._kinds.get(f" {' '.join(words[first : first + length])} ")
                if kind is not None:
                    return kind
        return text


def clean_query(text: str) -> str:
    """Search words in lower case, single spaces, without brackets that would end the action."""
    return " ".join(text.lower().replace("[", " ").replace("]", " ").split())
