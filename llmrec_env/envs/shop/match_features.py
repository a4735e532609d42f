"""How well a product fits an instruction, as far as a shopper has seen the product."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray
from llmrec_env.envs.shop.catalogue.products import Product, ProductCatalogue
from llmrec_env.envs.shop.instruction_parser import ParsedInstruction, parse_instruction
from llmrec_env.envs.shop.pages import Kind
from llmrec_env.envs.shop.search.analyzer import Analyzer
from llmrec_env.envs.shop.search.queries import Suggestions
from llmrec_env.envs.shop.words import phrases_within

FITS = (
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
"""What :meth:`Fits.of` says, each in [0, 1]; what was not seen yet is 0."""
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
        cut = Analyzer()
        self._cut = lru_cache(maxsize=65_536)(lambda text: tuple(cut(text)))
        self._words = lru_cache(maxsize=16_384)(self._read)
        self._product = lru_cache(maxsize=4096)(catalogue.__getitem__)
        self.of = lru_cache(maxsize=65_536)(self._of)
        """``of(instruction, row, kinds)``: float32 (10,), by the pages of the product seen."""
        self.phrases = lru_cache(maxsize=16_384)(self._phrases)
        """``phrases(instruction, row)``: the value of each option that is the longest phrase of the
        instruction, by the option's name; see :func:`llmrec_env.envs.shop.words.phrases_within`."""

    def _of(self, instruction: str, row: int, kinds: frozenset[Kind]) -> FloatArray:
        wish = parse_instruction(instruction)
        title = set(self._cut(self._catalogue.names[row]))
        words, pairs = self._words(row, kinds)
        asked = self._cut(wish.base)
        price = float(self._prices[row])
        fit = np.zeros(len(FITS), dtype=np.float32)
        fit[0] = _share(set(asked), title)
        fit[1] = _share(set(asked), words)
        fit[2] = _share(set(pairwise(asked)), pairs)
        fit[5] = wish.price_lower <= price <= wish.price_upper
        fit[6] = min(1.0, max(0.0, (wish.price_upper - price) / 50.0))
        fit[7] = _share(set(self._cut(self._suggestions.of(instruction)[-1])), title)
        if kinds:
            product = self._product(row)
            offered = _offered(product, wish)
            fit[3] = offered / len(wish.options) if wish.options else 1.0
            fit[4] = offered == len(wish.options)
            fit[8] = product.rating >= wish.rating_lower
            fit[9] = 1.0
        fit.setflags(write=False)
        return fit

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
        cut = [self._cut(line) for line in lines]
        pairs = {pair for stems in cut for pair in pairwise(stems)}
        return {stem for stems in cut for stem in stems}, pairs


def _share(asked: set, found: set) -> float:
    return len(asked & found) / max(1, len(asked))


def _offered(product: Product, wish: ParsedInstruction) -> int:
    return sum(value in product.options.get(name, ()) for name, value in wish.options.items())
