"""``CatalogueBuilder``: builds a product catalogue by adding products one by one."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from llmrec_env.common.errors import DataError
from llmrec_env.envs.shop.catalogue.columns import Arrays, ListWriter, TextWriter, Vocabulary
from llmrec_env.envs.shop.catalogue.products import (
    ASIN_LENGTH,
    LISTS,
    WORDS,
    CatalogueFacts,
    HumanInstruction,
    Product,
    ProductCatalogue,
)
from llmrec_env.envs.shop.catalogue.sound import check_product

TEXTS = ("name", "description", "bullet", "instruction")


class CatalogueBuilder:
    """Gathers products one by one, in memory of the size of their texts."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._asins: dict[str, int] = {}
        self._numbers = {name: array("d") for name in ("price_low", "price_high", "rating")}
        self._texts = {name: TextWriter() for name in TEXTS}
        self._words = Vocabulary()
        self._coded = {name: array("i") for name in WORDS}
        self._bullet_starts = array("q", [0])
        self._lists = {name: ListWriter() for name in LISTS}
        self._characters: set[str] = set()
        self._longest = {"page": 0, "name": 0, "instruction": 0, "value": 0}
        self._human: list[HumanInstruction] = []

    def __len__(self) -> int:
        return len(self._asins)

    def __contains__(self, asin: str) -> bool:
        return asin in self._asins

    def add(self, product: Product) -> None:
        """Append a product.

        Raises:
            DataError: its asin came before, or
                :func:`llmrec_env.envs.shop.catalogue.sound.check_product` refuses it.
        """
        check_product(product)
        asin = product.asin.upper()
        if asin in self._asins:
            raise DataError(f"product {product.asin!r}: another product has the same asin")
        self._asins[asin] = len(self._asins)
        for name, numbers in self._numbers.items():
            numbers.append(getattr(product, name))
        for name in ("name", "description", "instruction"):
            self._texts[name].add(getattr(product, name))
        for bullet in product.bullets:
            self._texts["bullet"].add(bullet)
        self._bullet_starts.append(self._bullet_starts[-1] + len(product.bullets))
        for name, codes in self._coded.items():
            codes.append(self._words.number(getattr(product, name)))
        self._add_words("attributes", product.attributes)
        self._add_words("instruction_attributes", product.instruction_attributes)
        self._add_words("option_names", product.options)
        for values in product.options.values():
            self._add_words("option_values", values)
        self._measure(product)

    def add_human(self, instruction: HumanInstruction) -> None:
        """Append an instruction that a person wrote for a product that was added."""
        self._human.append(instruction)
        for text in (instruction.text, *instruction.attributes, *instruction.options):
            self._characters.update(text)
        self._longest["instruction"] = max(self._longest["instruction"], len(instruction.text))

    def build(self) -> ProductCatalogue:
        """The catalogue of what was added.

        Raises:
            DataError: nothing was.
        """
        if not self._asins:
            raise DataError(f"{self._origin}: no product to sell; expected at least one")
        asins = np.array([asin.encode("ascii") for asin in self._asins], dtype=f"S{ASIN_LENGTH}")
        arrays: Arrays = {
            "asin": asins,
            "asin_order": np.argsort(asins, kind="stable").astype(np.int32),
            "bullets.starts": np.array(self._bullet_starts, dtype=np.int64),
        }
        arrays |= {name: np.array(own, dtype=np.float64) for name, own in self._numbers.items()}
        arrays |= {name: np.array(own, dtype=np.int32) for name, own in self._coded.items()}
        for name, texts in self._texts.items():
            arrays |= texts.arrays(name)
        for name, lists in self._lists.items():
            arrays |= lists.arrays(name)
        arrays |= self._words.arrays("words")
        characters = sorted(c for c in self._characters if not "\ud800" <= c <= "\udfff")
        longest = {f"longest_{what}": length for what, length in self._longest.items()}
        facts = CatalogueFacts(len(self), self._origin, "".join(characters), **longest)
        return ProductCatalogue(arrays, facts, tuple(self._human))

    def _add_words(self, name: str, words: Iterable[str]) -> None:
        self._lists[name].add(self._words.number(word) for word in words)

    def _measure(self, product: Product) -> None:
        """Characters and lengths, by which text spaces are declared."""
        texts = [product.name, product.description, product.instruction, *product.bullets]
        options = [*product.options, *(v for values in product.options.values() for v in values)]
        texts += options
        texts += [product.category, product.product_category, product.query, *product.attributes]
        for text in texts:
            self._characters.update(text)
        longest = self._longest
        longest["page"] = max(longest["page"], sum(len(text) + 1 for text in texts))
        longest["name"] = max(longest["name"], len(product.name))
        longest["value"] = max([longest["value"], *map(len, options)])
        named = sum(
            len(name) + max(map(len, values)) + 8
            for name, values in product.options.items()
            if values
        )
        longest["instruction"] = max(longest["instruction"], len(product.instruction) + named)
