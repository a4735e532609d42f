"""Reads WebShop's public product files of any size: ``items_shuffle*.json`` and companions.

(Yao et al., WebShop, NeurIPS 2022.) Products are streamed by ijson; only the columns stay.
"""

from __future__ import annotations

import codecs
import math
import os
import re
import reprlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from llmrec_env.common.errors import DataError
from llmrec_env.common.extras import require
from llmrec_env.common.files import local_path
from llmrec_env.envs.shop.catalogue.builder import CatalogueBuilder
from llmrec_env.envs.shop.catalogue.human_list import LIST, HumanList
from llmrec_env.envs.shop.catalogue.products import (
    ASIN_LENGTH,
    FIVE_STARS,
    MAX_PRICE,
    NO_RATING,
    HumanInstruction,
    Product,
    ProductCatalogue,
)

ITEMS = "items_shuffle*.json"
ATTRIBUTES = "items_ins_v2*.json"
HUMAN = "items_human_ins*.json"
PRICE = re.compile(r"\$([^$]*)")
NEGATIVE = re.compile(r"(?:^|[-−–$])\s*[-−–]\s*\$?\s*\d")
DEEPEST = 512
"""Lists or objects that may be open at once; the files have five."""
USUAL_PRICE = 100.0
"""What a product without a price costs."""


def find_webshop_files(
    folder: str | os.PathLike[str],
) -> tuple[Path, Path, Path | None, Path | None]:
    """The files of items, of attributes and, where they are there, of human instructions and of
    their published order.

    Raises:
        DataError: items or attributes are absent, or there are several.
    """
    place = local_path(folder, "folder of the shop's files")
    files = {pattern: sorted(place.glob(pattern)) for pattern in (ITEMS, ATTRIBUTES, HUMAN)}
    for pattern, paths in files.items():
        if len(paths) > 1 or not (paths or pattern == HUMAN):
            raise DataError(
                f"{folder}: expected one file {pattern}, got {[path.name for path in paths]}; "
                "leave one of each there, or in Python name the files to read_webshop()"
            )
    human, order = files[HUMAN], place / LIST
    return (
        files[ITEMS][0],
        files[ATTRIBUTES][0],
        human[0] if human else None,
        order if order.is_file() else None,
    )


def read_webshop(
    items: str | os.PathLike[str],
    attributes: str | os.PathLike[str],
    human: str | os.PathLike[str] | None = None,
    order: str | os.PathLike[str] | None = None,
    max_products: int | None = None,
) -> ProductCatalogue:
    """Read the public WebShop files.

    Names and values of options come in lower case, with `` | `` for ``/``. A missing price is
    100.0 dollars. Ids that are ``nan``, longer than 10 or seen before are passed over, as are human
    instructions of products that are not there or that name no attribute.

    Args:
        items: ``items_shuffle*.json``, an array of products.
        attributes: ``items_ins_v2*.json``, attributes and synthetic instructions by asin.
        human: ``items_human_ins*.json``, lists of instructions by asin.
        order: ``human_goals.json``, the published order of all instructions, by which
            ``split_by="position"`` deals them out.
        max_products: stop after so many.

    Raises:
        DataError: a file is no such JSON, or a record is bad; the message names it.
        MissingExtraError: ijson is not installed (extra ``shop``).
    """
    attributes_of = {
        asin.strip().upper(): about for asin, about in _streamed(attributes, "kvitems", "", "{")
    }
    builder = CatalogueBuilder(Path(items).name)
    for number, record in enumerate(_streamed(items, "items", "item", "["), start=1):
        if max_products is not None and len(builder) >= max_products:
            break
        where = f"{items}, product {number}"
        if not isinstance(record, dict) or not isinstance(record.get("asin"), str):
            raise DataError(f"{where}: expected an object with a text 'asin', got {shown(record)}")
        asin = record["asin"].strip().upper()
        if asin == "NAN" or not 0 < len(asin) <= ASIN_LENGTH or asin in builder:
            continue
        product = _product(record, attributes_of.get(asin, {}), where)
        try:
            builder.add(product)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
    if human is not None:
        published = HumanList.read(order) if order is not None else None
        for asin, instructions in _streamed(human, "kvitems", "", "{"):
            if asin.upper() in builder:
                _add_human(
                    builder, asin.upper(), instructions, f"{human}, product {asin!r}", published
                )
    return builder.build()


def _streamed(
    place: str | os.PathLike[str], function: str, prefix: str, opening: str
) -> Iterator[Any]:
    """The elements of a JSON array, or the pairs of a JSON object, in UTF-8."""
    ijson, path = require("ijson", "shop"), local_path(place, "file of the shop")
    try:
        with path.open("rb") as file:
            begins = len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0
            file.seek(begins)
            if file.read(64).lstrip(b" \t\r\n")[:1] != opening.encode():
                kind = "array" if opening == "[" else "object"
                raise DataError(f"{path}: expected a JSON {kind}, which begins with {opening}")
            file.seek(begins)
            yield from getattr(ijson, function)(_Shallow(file, path), prefix, use_float=True)
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: not whole, valid JSON ({reason}); fetch the file again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


class _Shallow:
    """A file that ends in an error where its brackets open and open: parsing that takes all memory.

    Counted by the piece, brackets in texts as well, which come in pairs or are few.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        opened = piece.count(b"[") + piece.count(b"{") - piece.count(b"]") - piece.count(b"}")
        if opened > DEEPEST:
            raise DataError(f"{self._path}: {opened} lists or objects within each other; no shop")
        return piece


def _product(record: Mapping[str, Any], about: Any, where: str) -> Product:
    if not isinstance(about, dict):
        raise DataError(f"{where}: its attributes must be an object, got {shown(about)}")
    low, high = _prices(record.get("pricing"), where)
    return Product(
        asin=record["asin"].strip(),
        name=_text(record, "name", where),
        description=_text(record, "full_description", where),
        bullets=tuple(_texts(record.get("small_description"), "small_description", where)),
        category=_text(record, "category", where),
        product_category=_text(record, "product_category", where),
        query=_text(record, "query", where).lower().strip(),
        price_low=low,
        price_high=high,
        rating=_rating(record.get("average_rating"), where),
        options=_options(record.get("customization_options"), where),
        attributes=tuple(_texts(about.get("attributes"), "attributes", where)),
        instruction=_text(about, "instruction", where),
        instruction_attributes=tuple(
            _texts(about.get("instruction_attributes"), "instruction_attributes", where)
        ),
    )


def _text(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if not isinstance(value, str | None):
        raise DataError(f"{where}: {name!r} must be a text, got {shown(value)}")
    return _writable(value or "")


def _texts(value: Any, name: str, where: str) -> list[str]:
    """A list of texts; one text stands for a list of one."""
    values = [value] if isinstance(value, str) else value or []
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise DataError(f"{where}: {name!r} must be a text or a list of texts, got {shown(value)}")
    return [_writable(text) for text in values]


def _writable(text: str) -> str:
    """A text without lone surrogates, which JSON may hold and nobody can write down."""
    return text.encode("utf-8", "replace").decode()


def shown(value: Any) -> str:
    """A value of a file for an error: one short line, however long or deep it is."""
    return f"{reprlib.repr(value):.80}"


def _prices(value: Any, where: str) -> tuple[float, float]:
    """``"$12.99"`` or ``"$12.99 - $20"`` as low and high."""
    if value is None or value == "":
        return USUAL_PRICE, USUAL_PRICE
    if not isinstance(value, str):
        raise DataError(f"{where}: 'pricing' must be a text such as '$12.99', got {shown(value)}")
    try:
        numbers = [float(Decimal(re.sub(r"[^\d.]", "", part))) for part in PRICE.findall(value)]
        low, high = numbers[0], numbers[min(1, len(numbers) - 1)]
    except (ArithmeticError, IndexError):
        low = high = math.nan
    if NEGATIVE.search(value) or not (low <= MAX_PRICE and high <= MAX_PRICE):
        raise DataError(
            f"{where}: 'pricing' is {shown(value)}; expected '$12.99' or '$12.99 - $20.00', "
            f"up to ${MAX_PRICE:,.0f}"
        )
    return min(low, high), max(low, high)


def _rating(value: Any, where: str) -> float:
    """Stars; none where there is no number."""
    try:
        stars = NO_RATING if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return NO_RATING
    if math.isnan(stars):
        return NO_RATING
    if not 0.0 <= stars <= FIVE_STARS:
        raise DataError(
            f"{where}: 'average_rating' is {shown(value)}; expected stars in [0, {FIVE_STARS:.0f}]"
        )
    return stars


def _options(value: Any, where: str) -> dict[str, tuple[str, ...]]:
    if not value:
        return {}
    if not isinstance(value, dict):
        raise DataError(f"{where}: 'customization_options' must be an object, got {shown(value)}")
    options: dict[str, tuple[str, ...]] = {}
    for name, choices in value.items():
        if choices is None:
            continue
        if not isinstance(choices, list) or not all(_is_choice(choice) for choice in choices):
            raise DataError(
                f"{where}: option {shown(name)} must be a list of objects with a 'value', "
                f"got {shown(choices)}"
            )
        values = [str(choice["value"]).strip().replace("/", " | ") for choice in choices]
        options[_writable(name.lower())] = tuple(_writable(value.lower()) for value in values)
    return options


def _is_choice(choice: Any) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("value"), str | int | float)


def _add_human(
    builder: CatalogueBuilder, asin: str, records: Any, where: str, published: HumanList | None
) -> None:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DataError(f"{where}: expected a list of instructions, got {shown(records)}")
    for record in records:
        attributes = _texts(record.get("instruction_attributes"), "instruction_attributes", where)
        options = _texts(record.get("instruction_options"), "instruction_options", where)
        if attributes:
            text = _text(record, "instruction", where).strip(".")
            position = published.place(text) if published is not None else None
            builder.add_human(
                HumanInstruction(asin, text, tuple(attributes), tuple(options), position)
            )
