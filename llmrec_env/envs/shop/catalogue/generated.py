"""Generates a product catalogue of any size from a seeded grammar."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmrec_env.common.checks import check_whole
from llmrec_env.envs.shop.catalogue.builder import CatalogueBuilder
from llmrec_env.envs.shop.catalogue.departments import (
    BRANDS,
    BULLETS,
    DEPARTMENTS,
    OPENINGS,
    OPTIONS,
    REMARKS,
    STYLES,
    Department,
    Kind,
)
from llmrec_env.envs.shop.catalogue.products import Product, ProductCatalogue
from llmrec_env.envs.shop.words import title_case

ORIGIN = "generated"
MAX_PRODUCTS = 36**5
CHUNK = 4096
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def generate_catalogue(n_products: int = 1000, seed: int = 0) -> ProductCatalogue:
    """A catalogue of generated products; the same arguments give the same products.

    Args:
        n_products: how many, 1,000 in under a second, 1.2 million in minutes.
        seed: draws everything.

    Raises:
        SettingError: ``n_products`` or ``seed`` is no whole number or lies out of range.
    """
    builder = CatalogueBuilder(ORIGIN)
    for product in generate_products(n_products, seed):
        builder.add(product)
    return builder.build()


def generate_products(n_products: int, seed: int = 0) -> Iterator[Product]:
    """The products of :func:`generate_catalogue`, one by one.

    A larger shop begins with the products of a smaller one of the same seed.

    Raises:
        SettingError: ``n_products`` or ``seed`` is no whole number or lies out of range.
    """
    n_products = check_whole("n_products", n_products, 1, MAX_PRODUCTS)
    seed = check_whole("seed", seed, 0)
    for first in range(0, n_products, CHUNK):
        rng = np.random.default_rng([seed, first])
        draws = _Draws(rng.random(CHUNK * _Draws.A_PRODUCT).tolist())
        for row in range(first, min(first + CHUNK, n_products)):
            yield _product(row, draws.of(row - first))


class _Draws:
    """Uniform numbers, drawn for many products at once: single draws of numpy are slow."""

    A_PRODUCT = 48

    def __init__(self, numbers: list[float]) -> None:
        self._numbers = numbers
        self._next = 0

    def of(self, place: int) -> _Draws:
        """Begin with the numbers of a product."""
        self._next = place * self.A_PRODUCT
        return self

    def below(self, n: int) -> int:
        """A whole number in [0, n)."""
        return int(self.uniform() * n)

    def uniform(self) -> float:
        """A number in [0, 1)."""
        self._next += 1
        return self._numbers[self._next - 1]

    def some(self, values: list[str], n: int) -> list[str]:
        """``n`` different values, in the order in which they stand."""
        places = list(range(len(values)))
        chosen = [places.pop(self.below(len(places))) for _ in range(n)]
        return [values[place] for place in sorted(chosen)]


def _product(row: int, draws: _Draws) -> Product:
    department = DEPARTMENTS[draws.below(len(DEPARTMENTS))]
    kind = department.kinds[draws.below(len(department.kinds))]
    brand, style = BRANDS[draws.below(len(BRANDS))], STYLES[draws.below(len(STYLES))]
    attributes = draws.some(list(department.attributes), 3 + draws.below(3))
    wanted = draws.some(attributes, 1 + draws.below(2))
    year = str(30 + draws.below(70))
    words = {"brand": brand, "style": style.lower(), "query": kind.query, "year": "19" + year}
    price_low, price_high = _prices(department, draws)
    return Product(
        asin=_asin(row),
        name=_name(brand, style, kind, attributes),
        description=OPENINGS[draws.below(len(OPENINGS))].format(
            a=attributes[0], b=attributes[1], **words
        ),
        bullets=(
            *(BULLETS[draws.below(len(BULLETS))].format(a=a).capitalize() for a in attributes[1:]),
            REMARKS[draws.below(len(REMARKS))].format(year=year),
        ),
        category=department.name,
        product_category=f"{department.root} › {kind.path}",
        query=kind.query,
        price_low=price_low,
        price_high=price_high,
        rating=round(5.0 - 2.0 * draws.uniform() ** 2, 1),
        options=_options(kind, draws),
        attributes=tuple(attributes),
        instruction=f"Find me {', '.join(wanted)} {kind.query}",
        instruction_attributes=tuple(wanted),
    )


def _asin(row: int) -> str:
    """``G`` and the row in base 36, scattered so that no order can be read from it."""
    number = (row * 30_011_873 + 7_654_321) % MAX_PRODUCTS  # coprime with 36: no id comes twice
    text = ""
    for _ in range(5):
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return f"G{text}"


def _name(brand: str, style: str, kind: Kind, attributes: list[str]) -> str:
    named = ", ".join(title_case(attribute) for attribute in attributes[:2])
    return f"{brand} {style} {title_case(kind.query)} - {named}"


def _prices(department: Department, draws: _Draws) -> tuple[float, float]:
    """Low and high; one price in four is a range."""
    cheapest, dearest = department.prices
    low = cheapest * (dearest / cheapest) ** draws.uniform()
    high = low * (1.0 + 0.5 * draws.uniform()) if draws.uniform() < 0.25 else low
    return round(low, 2), round(high, 2)


def _options(kind: Kind, draws: _Draws) -> dict[str, tuple[str, ...]]:
    options = {}
    for key in kind.options:
        name, values = OPTIONS[key]
        names = list(values)
        options[name] = tuple(draws.some(names, min(len(names), 3 + draws.below(4))))
    return options
