"""``Analyzer``: turns a text into word stems for search, as Lucene's English analyzer does."""

from __future__ import annotations

import re
from functools import lru_cache

from llmrec_env.common.extras import require

TOKEN = re.compile(r"[^\W_]+(?:(?:(?<=\d)[.,](?=\d)|(?<=[^\W\d_])[.'’](?=[^\W\d_]))[^\W_]+)*")
"""A word, as Unicode's text segmentation parts them: ``6.5``, ``1,000`` and ``men's`` are one."""
_LIST = """
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
"""
STOP_WORDS = frozenset(_LIST.split())
"""Lucene's English stop words."""


class Analyzer:
    """Texts into stems: lower case, no stop words, no possessive ``'s``, Porter's stemmer.

    Raises:
        MissingExtraError: PyStemmer is not installed (extra ``shop``).
    """

    def __init__(self) -> None:
        stem_word = require("Stemmer", "shop").Stemmer("porter").stemWord

        @lru_cache(maxsize=262_144)
        def stem_of(word: str) -> str:
            word = word[:-2] if word.endswith(("'s", "’s")) else word
            return "" if word in STOP_WORDS else stem_word(word)

        self._stem_of = stem_of

    def __call__(self, text: str) -> list[str]:
        """The stems of a text, in order."""
        return [stem for word in TOKEN.findall(text.lower()) if (stem := self._stem_of(word))]
