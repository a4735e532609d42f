"""``ProductCatalogue``: the products of a shop in read-only columns that processes can share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import Float64Array, read_only
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import atomic_path, local_path, read_json, write_json
from llmrec_env.envs.shop.catalogue.columns import (
    Arrays,
    ListColumn,
    open_arrays,
    save_arrays,
    text_column,
)
from llmrec_env.envs.shop.catalogue.whole import check_columns
from llmrec_env.envs.shop.words import spaced, words_of

ASIN_LENGTH = 10
WORDS = ("category", "query", "product_category")
"""Columns of texts that repeat: each is a number of the vocabulary."""
LISTS = ("attributes", "instruction_attributes", "option_names", "option_values")
"""Columns of lists of such texts."""
MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a JSON file of another form ends in."""
NO_RATING = 0.0
FIVE_STARS = 5.0
MAX_PRICE = 1e9
"""Dollars: what costs more is a mistake in a file."""


@dataclass(frozen=True)
class Product:
    """One product.

    Attributes:
        asin: its id, at most 10 ASCII characters.
        name, description: texts; bullets: the feature list.
        category: the department; product_category: the path ``A › B › C``; query: the search under
            which WebShop lists the product, the kind of thing it is.
        price_low, price_high: in dollars; equal where the price is no range.
        rating: mean stars, 0 where there is none.
        options: values to choose from by the option's name, both in lower case.
        attributes: short phrases that hold for the product.
        instruction, instruction_attributes: the parsed from which synthetic goals are made, and the
            attributes it names; empty where there is none.
    """

    asin: str
    name: str
    description: str = ""
    bullets: tuple[str, ...] = ()
    category: str = ""
    product_category: str = ""
    query: str = ""
    price_low: float = 100.0
    price_high: float = 100.0
    rating: float = NO_RATING
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    instruction: str = ""
    instruction_attributes: tuple[str, ...] = ()

    @cached_property
    def text(self) -> str:
        """Title, features and description, in lower case, a line each."""
        return "\n".join((self.name, *self.bullets, self.description)).lower()

    @cached_property
    def spaced_text(self) -> str:
        """The words of the text between spaces, so that phrases match whole words."""
        # a phrase does not run from one line into the next
        return "\n".join(f" {' '.join(words_of(line))} " for line in self.text.split("\n"))

    @cached_property
    def spaced_attributes(self) -> frozenset[str]:
        """The attributes in the same form."""
        return frozenset(spaced(attribute) for attribute in self.attributes)


@dataclass(frozen=True)
class HumanInstruction:
    """What a person wants with one product in mind.

    Attributes:
        asin: of the product; text: what was written.
        attributes, options: what must hold and what must be chosen.
        position: the place in the published order of all such instructions, from 0; None where it
            is not known.
    """

    asin: str
    text: str
    attributes: tuple[str, ...]
    options: tuple[str, ...]
    position: int | None = None


@dataclass(frozen=True)
class CatalogueFacts:
    """What is known of a catalogue without reading it.

    Attributes:
        n_products: rows.
        origin: ``"generated"``, or what the products were read from.
        characters: every character of its texts, once each.
        longest_page: upper bound of the characters on one product's page.
        longest_name, longest_instruction, longest_value: characters.
    """

    n_products: int
    origin: str
    characters: str
    longest_page: int
    longest_name: int
    longest_instruction: int
    longest_value: int


class ProductCatalogue:
    """Products in columns, read-only.

    Args:
        arrays: the columns, as
            :class:`llmrec_env.envs.shop.catalogue.builder.CatalogueBuilder` gathers them.
        facts: what they hold.
        human: instructions that people wrote, if any.
        folder: where the columns are mapped from, or None where they are in memory. Another process
            opens the folder instead of receiving a copy.
    """

    def __init__(
        self,
        arrays: Arrays,
        facts: CatalogueFacts,
        human: tuple[HumanInstruction, ...] = (),
        folder: Path | None = None,
    ) -> None:
        self.arrays = arrays = {name: read_only(values) for name, values in arrays.items()}
        self.facts = facts
        self.human = human
        self.folder = folder
        self.asins: NDArray[np.bytes_] = arrays["asin"]
        self.price_low: Float64Array = arrays["price_low"]
        self.price_high: Float64Array = arrays["price_high"]
        self.ratings: Float64Array = arrays["rating"]
        self.names = text_column(arrays, "name")
        self.instructions = text_column(arrays, "instruction")
        self._descriptions = text_column(arrays, "description")
        self._bullets = text_column(arrays, "bullet")
        self._bullet_rows = ListColumn(arrays["bullets.starts"])
        self._words = text_column(arrays, "words")
        self._lists = {name: ListColumn(arrays[f"{name}.starts"]) for name in LISTS}

    def __len__(self) -> int:
        return self.facts.n_products

    def __getitem__(self, row: int) -> Product:
        """The product of a row, with all its texts."""
        word = {name: self._words[self.arrays[name][row]] for name in WORDS}
        return Product(
            asin=self.asin(row),
            name=self.names[row],
            description=self._descriptions[row],
            bullets=tuple(self._bullets[i] for i in self._bullet_rows[row]),
            price_low=float(self.price_low[row]),
            price_high=float(self.price_high[row]),
            rating=float(self.ratings[row]),
            options=self.options(row),
            attributes=self.listed("attributes", row),
            instruction=self.instructions[row],
            instruction_attributes=self.listed("instruction_attributes", row),
            **word,
        )

    def __iter__(self) -> Iterator[Product]:
        return (self[row] for row in range(len(self)))

    def __deepcopy__(self, memo: object) -> ProductCatalogue:
        return self  # gymnasium copies the arguments of an environment

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is not None:
            return ProductCatalogue.open, (self.folder,)
        return ProductCatalogue, (self.arrays, self.facts, self.human)

    def asin(self, row: int) -> str:
        """The id of a row."""
        return bytes(self.asins[row]).decode("ascii")

    def row(self, asin: str) -> int:
        """The row of an id in any case.

        Raises:
            DataError: there is no such product.
        """
        wanted = asin.upper().encode("ascii", "replace")
        order = self.arrays["asin_order"]
        place = int(np.searchsorted(self.asins, wanted, sorter=order))
        if place == len(self) or self.asins[order[place]] != wanted:
            raise DataError(f"no product {asin!r} among the {len(self)} of this catalogue")
        return int(order[place])

    def listed(self, name: str, row: int) -> tuple[str, ...]:
        """``"attributes"`` or ``"instruction_attributes"`` of a row."""
        numbers = self.arrays[f"{name}.values"]
        return tuple(self._words[numbers[i]] for i in self._lists[name][row])

    def options(self, row: int) -> dict[str, tuple[str, ...]]:
        """Values by option name of a row."""
        names = self.arrays["option_names.values"]
        values = self.arrays["option_values.values"]
        return {
            self._words[names[i]]: tuple(
                self._words[values[k]] for k in self._lists["option_values"][i]
            )
            for i in self._lists["option_names"][row]
        }

    def queries(self) -> tuple[str, ...]:
        """Every kind of thing that the shop sells (the ``query`` of the products), sorted."""
        return tuple(sorted({self._words[i] for i in np.unique(self.arrays["query"])} - {""}))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the columns into a folder, whole or not at all."""
        with atomic_path(folder) as temporary:
            save_arrays(self.arrays, temporary)
            human = [asdict(instruction) for instruction in self.human]
            facts = asdict(self.facts) | {"arrays": sorted(self.arrays)}
            write_json(temporary / "catalogue.json", {"facts": facts, "human": human})

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> ProductCatalogue:
        """Map a saved catalogue into memory; processes that open it share its pages.

        Raises:
            DataError: the folder holds no catalogue, or a part is missing.
        """
        place = local_path(folder, "saved catalogue")
        path = place / "catalogue.json"
        try:
            saved = read_json(path)
            facts, human = saved["facts"], saved["human"]
            names = facts.pop("arrays")
            instructions = tuple(
                HumanInstruction(
                    h["asin"],
                    h["text"],
                    tuple(h["attributes"]),
                    tuple(h["options"]),
                    h.get("position"),  # catalogues that were saved before it have none
                )
                for h in human
            )
            known = CatalogueFacts(**facts)
            _check_types(known, instructions, names)
        except MALFORMED as error:
            raise DataError(
                f"{path}: no saved catalogue ({error!r}); expected a folder that save() wrote"
            ) from None
        arrays = open_arrays(place, names)
        check_columns(arrays, known.n_products, place)
        return cls(arrays, known, instructions, place.resolve())


def _check_types(facts: CatalogueFacts, human: tuple[HumanInstruction, ...], names: Any) -> None:
    """Refuse what a saved JSON file says where it is of another type than :meth:`save` writes.

    Raises:
        TypeError: something is.
    """
    texts = [facts.origin, facts.characters, *names]
    for one in human:
        texts += [one.asin, one.text, *one.attributes, *one.options]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    if not all(one.position is None or type(one.position) is int for one in human):
        raise TypeError("a position is no whole number")
    counts = [getattr(facts, name) for name in vars(facts) if name not in ("origin", "characters")]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in counts):
        raise TypeError("a count is no whole number")
