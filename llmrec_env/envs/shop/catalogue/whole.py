"""Checks that the columns of a saved catalogue fit each other, before anything is read of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.errors import DataError
from llmrec_env.envs.shop.catalogue.columns import Arrays

CHECKED_TEXTS = 64 * 1024 * 1024
"""Bytes of a text column up to which all of it is decoded; larger ones are taken as they are."""
PER_ROW = {
    "asin": "S",
    "asin_order": "i",
    "price_low": "f",
    "price_high": "f",
    "rating": "f",
    "category": "i",
    "query": "i",
    "product_category": "i",
}
"""Columns with one element a product, and what kind of numbers they are."""
TEXTS = ("name", "description", "instruction", "bullet", "words")
STARTS_OF_ROWS = ("name", "description", "instruction", "bullets", "attributes", "option_names")
LISTS = ("attributes", "instruction_attributes", "option_names", "option_values")


def check_columns(arrays: Arrays, n_products: int, where: object) -> None:
    """Refuse columns that no :class:`CatalogueBuilder` gathers together.

    Raises:
        DataError: a column is absent, has another type or length, or points to nowhere.
    """
    try:
        fault = next(_faults(arrays, n_products), None)
    except KeyError as error:
        fault = f"{error.args[0]} is missing"
    if fault is not None:
        raise DataError(f"{where}: {fault}; the folder must be whole, as save() writes it")


def _faults(arrays: Arrays, n: int) -> Iterator[str]:
    for name, values in arrays.items():
        if values.ndim != 1:
            yield f"{name} is no column"
    for name, kind in PER_ROW.items():
        if arrays[name].dtype.kind != kind or arrays[name].shape != (n,):
            yield f"{name} does not have one element for each of {n} products"
    order = arrays["asin_order"]
    if not np.array_equal(np.sort(order), np.arange(n)):
        yield "asin_order is no order of the products"
    for name in STARTS_OF_ROWS:
        if arrays[f"{name}.starts"].shape != (n + 1,):
            yield f"{name}.starts does not have a place for each of {n} products"
    yield from _wrong_starts(arrays)
    yield from _wrong_values(arrays)
    if not (arrays["price_low"] >= 0.0).all() or not np.isfinite(arrays["price_high"]).all():
        yield "a price is no number of dollars"
    if not (arrays["price_low"] <= arrays["price_high"]).all():
        yield "a price begins above its end"


def _wrong_starts(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Texts and lists whose places run past what they point to, or back."""
    ends = {name: len(arrays[f"{name}.data"]) for name in TEXTS}
    ends |= {name: len(arrays[f"{name}.values"]) for name in LISTS}
    ends["bullets"] = len(arrays["bullet.starts"]) - 1
    for name, end in ends.items():
        starts = arrays[f"{name}.starts"]
        fits = starts.dtype.kind == "i" and starts.ndim == 1 and len(starts) > 0
        if not fits or starts[0] != 0 or starts[-1] != end or (starts[1:] < starts[:-1]).any():
            yield f"{name}.starts does not part what it belongs to"
    if len(arrays["option_values.starts"]) != len(arrays["option_names.values"]) + 1:
        yield "option_values.starts does not have a place for each option"


def _wrong_values(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Numbers of words that there are not, and bytes that are no text."""
    n_words = len(arrays["words.starts"]) - 1
    coded = [name for name in PER_ROW if name in ("category", "query", "product_category")]
    for name in [*coded, *(f"{name}.values" for name in LISTS)]:
        values = arrays[name]
        if values.dtype.kind != "i" or (len(values) and not _within(values, n_words)):
            yield f"{name} names words that there are not"
    for name in TEXTS:
        data = arrays[f"{name}.data"]
        if data.dtype != np.uint8 or not _is_text(data, arrays[f"{name}.starts"]):
            yield f"{name}.data is no text"


def _within(values: NDArray[Any], n: int) -> bool:
    return bool(0 <= values.min() <= values.max() < n)


def _is_text(data: NDArray[np.uint8], starts: NDArray[Any]) -> bool:
    """Whether bytes are UTF-8 that is parted between characters."""
    if len(data) > CHECKED_TEXTS:
        return True
    try:
        str(memoryview(np.ascontiguousarray(data).data), "utf-8")
    except UnicodeDecodeError:
        return False
    inner = starts[starts < len(data)]
    return not ((data[inner] & 0xC0) == 0x80).any()  # within a character
