"""Splits texts into words and finds phrases and colours, for rewards, search and features."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
LETTERS = re.compile(r"[a-z]{3,}")
_COLOUR_LIST = """
alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown
burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee cognac
copper coral cranberry cream crystal dark denim eggplant elephant espresso fuchsia gold granite
grape graphite grass gray green grey heather indigo ivory ivy khaki lavender lemon leopard light
lilac lime magenta maroon mauve merlot midnight mint mocha multicolor mushroom mustard natural
navy nude olive orange peach pewter pink plum purple rainbow red rose royal rust sand sapphire
seashell silver skull slate steel stone stonewash sunflower tan taupe teal tiger turquoise violet
walnut wheat white wine yellow
"""
COLOURS = tuple(_COLOUR_LIST.split())
"""WebShop's list of colour names, in its alphabetical order: the first that matches counts."""
_COLOUR_SET = frozenset(COLOURS)
SMALL_WORDS = frozenset(
    ("a", "an", "and", "as", "at", "by", "for", "in", "of", "on", "or", "the", "to")
)
INITIALS = frozenset(("gmo", "hdmi", "usb"))
"""Words of the generated shop that are initials."""


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, in order."""
    return tuple(WORD.findall(text.lower()))


def share_within(text: str, words: Collection[str]) -> float:
    """The share of the words of a text that are among ``words``; 0 for a text without words."""
    own = words_of(text)
    return sum(word in words for word in own) / max(1, len(own))


@lru_cache(maxsize=16_384)
def spaced(text: str) -> str:
    """The words of a phrase between single spaces, one before and one after: `` a b ``.

    A phrase stands in a text as whole words where the one's form is within the other's.
    """
    return f" {' '.join(words_of(text))} "


def phrases_within(options: Mapping[str, Iterable[str]], text: str) -> dict[str, str]:
    """The longest value of each option that stands in a text as a phrase, by option name."""
    spaced_text, longest = spaced(text), {}
    for name, values in options.items():
        phrases = [value for value in values if spaced(value).strip()]
        phrases = [value for value in phrases if spaced(value) in spaced_text]
        if phrases:
            longest[name] = max(phrases, key=len)
    return longest


def words_as_nouns(text: str) -> list[str]:
    """Every word of three letters or more: stands in for a noun tagger, and needs no model."""
    return LETTERS.findall(text.lower())


def title_case(text: str) -> str:
    """A phrase as it stands in a title: ``men's shorts`` as ``Men's Shorts``, ``usb`` as ``USB``.

    Short joining words stay small but at the beginning and the end.
    """
    words = text.split(" ")
    last = len(words) - 1
    return " ".join(
        word if word in SMALL_WORDS and 0 < place < last else _capital(word)
        for place, word in enumerate(words)
    )


def _capital(word: str) -> str:
    if word in INITIALS:
        return word.upper()
    return "-".join(part[:1].upper() + part[1:] for part in word.split("-"))


def first_colour_within(text: str) -> str:
    """The first colour of the list that is a substring, else the text: the published rule.

    It matches ``tan`` in ``rectangular``; :func:`colour_words` does not.
    """
    return next((colour for colour in COLOURS if colour in text), text)


def colour_words(text: str) -> frozenset[str]:
    """The colours among the whole words of a text; ``gray`` counts as ``grey``."""
    return frozenset("grey" if w == "gray" else w for w in words_of(text) if w in _COLOUR_SET)
