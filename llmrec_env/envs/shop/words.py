"""Texts as words: what rewards, queries and features compare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
LETTERS = re.compile(r"[a-z]{3,}")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, in order."""
    return tuple(WORD.findall(text.lower()))


@lru_cache(maxsize=16_384)
def spaced(text: str) -> str:
    """The words of a phrase between single spaces, one before and one after: `` a b ``.

    A phrase stands in a text as whole words where the one's form is within the other's.
    """
    return f" {' '.join(words_of(text))} "


def phrases_within(options: Mapping[str, Iterable[str]], text: str) -> dict[str, str]:
    """The value of each option that is the longest phrase of a text, where one is any."""
    said, found = spaced(text), {}
    for name, values in options.items():
        phrases = [value for value in values if spaced(value).strip() and spaced(value) in said]
        if phrases:
            found[name] = max(phrases, key=len)
    return found


def words_as_nouns(text: str) -> list[str]:
    """Every word of three letters or more: stands in for a noun tagger, and needs no model."""
    return LETTERS.findall(text.lower())
