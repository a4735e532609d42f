"""Checks that a product can be sold: its id, its texts and its numbers."""

from __future__ import annotations

import re
from numbers import Real
from typing import Any

from llmrec_env.common.errors import DataError
from llmrec_env.envs.shop.catalogue.products import ASIN_LENGTH, FIVE_STARS, MAX_PRICE, Product

ASIN = re.compile(rf"[!-~]{{1,{ASIN_LENGTH}}}")
"""Visible ASCII characters without spaces: no button of a page can have such a name."""
TEXTS = ("name", "description", "category", "product_category", "query", "instruction")
TUPLES = ("bullets", "attributes", "instruction_attributes")


def check_product(product: Product) -> None:
    """Refuse a product that no page could show.

    Raises:
        DataError: its asin is not 1 to 10 visible ASCII characters, a text is none, a price or
            rating lies out of range or is no number.
    """
    if not isinstance(product.asin, str) or not ASIN.fullmatch(product.asin):
        raise DataError(
            f"product {product.asin!r:.80}: the asin must be 1 to {ASIN_LENGTH} ASCII letters, "
            "digits or signs without spaces"
        )
    fault = _fault(product)
    if fault:
        raise DataError(f"product {product.asin!r}: {fault}")


def _fault(product: Product) -> str | None:
    """What is wrong with a product, as a sentence; None if nothing is."""
    for name in TEXTS:
        if not isinstance(text := getattr(product, name), str):
            return f"{name} must be a text, got {text!r:.80}"
    for name in TUPLES:
        if not _are_texts(texts := getattr(product, name)):
            return f"{name} must be a tuple of texts, got {texts!r:.80}"
    options = product.options
    if not isinstance(options, dict) or not _are_texts(tuple(options)):
        return f"options must be a dict by name, got {options!r:.80}"
    if not all(_are_texts(values) for values in options.values()):
        return f"options must have a tuple of texts for each name, got {options!r:.80}"
    low, high = product.price_low, product.price_high
    if not _lie_within((low, high), MAX_PRICE) or low > high:
        return f"prices must be dollars, low to high, in [0, {MAX_PRICE:.0f}]: {low!r}, {high!r}"
    if not _lie_within((product.rating,), FIVE_STARS):
        return f"rating must lie in [0, {FIVE_STARS:.0f}], 0 for none: {product.rating!r:.80}"
    return None


def _are_texts(values: Any) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, str) for value in values)


def _lie_within(numbers: tuple[Any, ...], upper: float) -> bool:
    real = all(isinstance(n, Real) and not isinstance(n, bool) for n in numbers)
    return real and all(0.0 <= n <= upper for n in numbers)
