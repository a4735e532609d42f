"""Features of how well a product matches an instruction, from the pages seen of it."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.pages import Kind
from llmrec_env.envs.shop.search.suggestions import Suggestions
from llmrec_env.envs.shop.views.instruction_parser import parse_instruction
from llmrec_env.envs.shop.words import phrases_within
from llmrec_env.envs.text.analyzer import Analyzer

T = TypeVar("T")
MATCH_FEATURES = (
    "words of the instruction in the title",
    "words of the instruction in what was read",
    "pairs of words of the instruction in what was read",
    "named options that are offered",
    "no named option is missing",
    "the price lies within the limits",
    "dollars below the limit, of fifty",
    "words of the kind of thing that is named in the title",
    "the rating reaches the bound",
    "the product was opened",
)
"""What :meth:`MatchFeatures.of` says, each in [0, 1]; what was not seen yet is 0."""
UNSEEN: frozenset[Kind] = frozenset()


class MatchFeatures:
    """Compares products with instructions, word by word, by what the pages have shown.

    Args:
        catalogue: the products.
        prices: what they cost, float64 (n_products,).
        suggestions: names the kind of thing that an instruction is about.
    """

    def __init__(
        self, catalogue: ProductCatalogue, prices: Float64Array, suggestions: Suggestions
    ) -> None:
        self._catalogue = catalogue
        self._suggestions = suggestions
        self._prices = prices
        analyzer = Analyzer()
        self._stems = lru_cache(maxsize=65_536)(lambda text: tuple(analyzer(text)))
        self._stems_seen = lru_cache(maxsize=16_384)(self._read)
        self._product = lru_cache(maxsize=4096)(catalogue.__getitem__)
        self.of = lru_cache(maxsize=65_536)(self._of)
        """``of(instruction, row, kinds)``: float32 (10,), by the pages of the product seen."""
        self.phrases = lru_cache(maxsize=16_384)(self._phrases)
        """``phrases(instruction, row)``: the value of each option that is the longest phrase of the
        instruction, by the option's name; see :func:`llmrec_env.envs.shop.words.phrases_within`."""

    def _of(self, instruction: str, row: int, kinds: frozenset[Kind]) -> FloatArray:
        parsed = parse_instruction(instruction)
        title = set(self._stems(self._catalogue.names[row]))
        stems, pairs = self._stems_seen(row, kinds)
        wanted = self._stems(parsed.base)
        price = float(self._prices[row])
        match = np.zeros(len(MATCH_FEATURES), dtype=np.float32)
        match[0] = _share(set(wanted), title)
        match[1] = _share(set(wanted), stems)
        match[2] = _share(set(pairwise(wanted)), pairs)
        match[5] = parsed.price_lower <= price <= parsed.price_upper
        match[6] = min(1.0, max(0.0, (parsed.price_upper - price) / 50.0))
        match[7] = _share(set(self._stems(self._suggestions.of(instruction)[-1])), title)
        if kinds:
            product = self._product(row)
            n_offered = sum(v in product.options.get(n, ()) for n, v in parsed.options.items())
            match[3] = n_offered / len(parsed.options) if parsed.options else 1.0
            match[4] = n_offered == len(parsed.options)
            match[8] = product.rating >= parsed.rating_lower
            match[9] = 1.0
        match.setflags(write=False)
        return match

    def _phrases(self, instruction: str, row: int) -> dict[str, str]:
        return phrases_within(self._product(row).options, instruction)

    def _read(self, row: int, kinds: frozenset[Kind]) -> tuple[set[str], set[tuple[str, str]]]:
        """The stems that were seen of a product, and which stand side by side."""
        lines: list[str] = [self._catalogue.names[row]]
        if kinds:
            product = self._product(row)
            lines += [value for values in product.options.values() for value in values]
            if Kind.FEATURES in kinds:
                lines += product.bullets
            if Kind.DESCRIPTION in kinds:
                lines.append(product.description)
        stems = [self._stems(line) for line in lines]
        pairs = {pair for line in stems for pair in pairwise(line)}
        return {stem for line in stems for stem in line}, pairs


def _share(wanted: set[T], seen: set[T]) -> float:
    return len(wanted & seen) / max(1, len(wanted))
