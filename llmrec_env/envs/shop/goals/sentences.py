"""A small grammar that arranges phrases into sentences, as somebody would say them.

A phrase names a thing ("the shade of clover", "two in one order"), trails behind one ("with some
lycra", "that moves with you"), or says what it is ("made of flax", "for a slight build"). Each form
has patterns of its own, so that words stand in a natural order wherever a phrase goes. No sentence
has a colon: after one, plain instructions list their options.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

OPENINGS = (
    "I need {query}",
    "Could you get me {query}",
    "My aunt asked me for {query}",
    "I am after {query}",
    "I have been looking all over for {query}",
    "Please find me {query}",
    "Somewhere there must be {query}",
    "For my next trip I want {query}",
)
NAMING = (
    "Make it {one}.",
    "I would go for {one}.",
    "{One}, if you can.",
    "What I have in mind is {one}.",
    "{One} would be right.",
)
TRAILING = (
    "I only want the sort {one}.",
    "Best of all would be {query} {behind}.",
    "Look for {query} {behind}.",
    "I once had some {one} and want no others.",
    "The kind {one} is what I mean.",
)
SAYING = (
    "{It} should be {one}.",
    "Make sure that {it_is} {one}.",
    "{It} really ought to be {one}.",
    "I would only take {it} if {it_is} {one}.",
    "To me it matters that {it_is} {one}.",
)
DISTRACTORS = (
    "My sister has {other}, but that is not for me.",
    "Last year I bought {other} and gave it away.",
    "The shop around the corner only had {other}.",
    "Please nothing that reminds me of {other}.",
    "I have seen enough of {other} to last me a lifetime.",
    "Whatever you do, do not send me {other} again.",
)
FIRST, SECOND = 0.8, 0.5
"""How often the opening has a phrase with it, and a second one."""
NAMES = frozenset(
    (
        *("a", "an", "the", "one", "two", "three", "four", "six", "eight", "sixteen", "twelve"),
        *("half", "twice", "thrice", "triplets", "just", "only", "no", "nothing"),
        *("each", "every", "room"),
    )
)
"""First words of phrases that name a thing."""
FOLLOWS = frozenset(("smelling", "tasting", "that", "with", "without"))
"""First words of those that trail behind one."""


def arranged(phrases: Sequence[str], query: str, rng: np.random.Generator) -> list[str]:
    """Sentences that say each phrase once, of a kind of thing that the first of them names.

    Args:
        phrases: what is wanted, in the order in which it is said where the grammar lets it.
        query: the kind of thing, "nail polishes" or "popcorn".
        rng: draws the patterns.
    """
    waiting = list(phrases)
    opening = one_of(OPENINGS, rng).format(query=query)
    head = []
    for chance in (FIRST, SECOND):
        fitting = [phrase for phrase in waiting if _first_word(phrase) not in NAMES]
        if not fitting or rng.random() >= chance:
            break
        waiting.remove(fitting[0])
        head.append(_behind(fitting[0]))
    end = "?" if opening.startswith("Could") else "."
    sentences = [" ".join([opening, " and ".join(head)]).strip() + end]
    left: dict[tuple[str, ...], list[str]] = {
        form: _shuffled(form, rng) for form in (NAMING, TRAILING, SAYING)
    }
    for phrase in waiting:
        form = _form(phrase)
        pattern = left[form].pop() if left[form] else one_of(form, rng)
        parts = {"one": phrase, "One": phrase[0].upper() + phrase[1:], "behind": _behind(phrase)}
        sentences.append(pattern.format(query=query, **parts, **_pronouns(query)))
    return sentences


def one_of(texts: Sequence[str], rng: np.random.Generator) -> str:
    """One of them, drawn."""
    return texts[int(rng.integers(len(texts)))]


def _shuffled(texts: Sequence[str], rng: np.random.Generator) -> list[str]:
    return [texts[place] for place in rng.permutation(len(texts))]


def _form(phrase: str) -> tuple[str, ...]:
    """The sentences that a phrase fits into."""
    first = _first_word(phrase)
    if first in NAMES:
        return NAMING
    return TRAILING if first in FOLLOWS else SAYING


def _behind(phrase: str) -> str:
    """A phrase as it follows the thing, one or many of it."""
    return f"of the sort {phrase}" if _first_word(phrase) == "that" else phrase


def _first_word(phrase: str) -> str:
    return phrase.split(" ", 1)[0].lower()


def _pronouns(query: str) -> dict[str, str]:
    """How one speaks of it: shirts are they, popcorn is it."""
    if query.endswith("s"):
        return {"It": "They", "it": "them", "it_is": "they are"}
    return {"It": "It", "it": "it", "it_is": "it is"}
