"""An instruction and a purchase as one text, and which of its words stand in both.

A small language model learns from few examples what is asked for and what was bought, but hardly
that a word here is the same as a word there. So each word carries marks that say it (exact-match
features, as readers of questions and documents have them), and each stated limit whether it is
kept. Both are read from the two texts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.envs.shop.instruction_parser import parse_instruction
from llmrec_env.envs.shop.reward import Purchase
from llmrec_env.envs.shop.search.analyzer import TOKEN, Analyzer

MARKS = (
    "a word of the purchase stands in the instruction",
    "a word of the instruction stands in the title",
    "it stands in a chosen value",
    "it stands in a value that was not chosen, of any option",
    "it stands in any text of the product",
    "the price or rating keeps the limit",
    "the price or rating does not",
)
LONGEST_FIELD = 200
"""Characters of a title, of the values and of the features that are written out. Marks see all."""


@dataclass
class MarkedText:
    """A text in lower case, and marks for each of its characters.

    Attributes:
        text: the characters.
        marks: float32 (characters, 7), 0 or 1.
        options: the marks of the chosen values alone.
    """

    text: str = ""
    marks: FloatArray = field(default_factory=lambda: np.zeros((0, len(MARKS)), dtype=np.float32))
    options: FloatArray = field(default_factory=lambda: np.zeros((0, len(MARKS)), dtype=np.float32))

    def add(
        self, text: str, words: Mapping[int, frozenset[str]], always: int | None = None
    ) -> None:
        """Append a text; a word has mark ``m`` where ``words[m]`` holds its stem."""
        marks = np.zeros((len(text), len(MARKS)), dtype=np.float32)
        for match in TOKEN.finditer(text):
            stem = _stem(match[0])
            for mark, stems in words.items():
                if stem in stems:
                    marks[slice(*match.span()), mark] = 1.0
        if always is not None:
            marks[:, always] = 1.0
        self.text += text
        self.marks = np.concatenate([self.marks, marks])


def purchase_text(purchase: Purchase) -> str:
    """What was bought as one line: title, chosen values, price, rating, features."""
    return "".join(text for _, text in _fields(purchase))


def marked_texts(instruction: str, purchase: Purchase) -> tuple[MarkedText, MarkedText]:
    """The purchase and the instruction, each with its marks."""
    product, wish = purchase.product, parse_instruction(instruction)
    asked = _stems([instruction])
    bought = MarkedText()
    kept = {
        "price": wish.price_lower <= purchase.price <= wish.price_upper,
        "rating": product.rating >= wish.rating_lower,
    }
    for name, text in _fields(purchase):
        limit = None if name not in kept else (5 if kept[name] else 6)
        bought.add(text, {} if limit else {0: asked}, limit)
        if name == "options" and purchase.options:
            bought.options = bought.marks[-len(text) :]
    said = MarkedText()
    chosen = _stems(purchase.options.values())
    everywhere = _product_stems(product.text) | chosen
    words = {1: _product_stems(product.name), 2: chosen, 3: _left(purchase), 4: everywhere}
    said.add(f" wanted: {_lower(instruction)}", words)
    return bought, said


def shared_words(instruction: str, purchase: Purchase) -> float:
    """The share of the instruction's words that stand in the purchase: no model at all."""
    asked = _stems([instruction])
    found = _product_stems(purchase.product.text) | _stems(purchase.options.values())
    return len(asked & found) / max(1, len(asked))


def _fields(purchase: Purchase) -> list[tuple[str, str]]:
    product = purchase.product
    values = ", ".join(f"{name}: {value}" for name, value in sorted(purchase.options.items()))
    stars = f", rating: {product.rating:.1f} stars" if product.rating else ""
    return [
        ("title", f" title: {_lower(product.name)[:LONGEST_FIELD]}"),
        ("options", f", {_lower(values)[:LONGEST_FIELD]}" if values else ", no options"),
        ("price", f", price: {purchase.price:.2f} dollars"),
        ("rating", stars),
        ("features", f", features: {_lower(' '.join(product.bullets))[:LONGEST_FIELD]}"),
    ]


def _left(purchase: Purchase) -> frozenset[str]:
    """Words of the values that were offered and not chosen."""
    return _stems(
        value
        for name, values in purchase.product.options.items()
        for value in values
        if value != purchase.options.get(name)
    )


def _lower(text: str) -> str:
    return " ".join(text.lower().split())


def _stems(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(stem for text in texts for stem in _cutter()(text))


@lru_cache(maxsize=16_384)
def _product_stems(text: str) -> frozenset[str]:
    return _stems([text])


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    return next(iter(_cutter()(word)), "")


@lru_cache(maxsize=1)
def _cutter() -> Analyzer:
    return Analyzer()
