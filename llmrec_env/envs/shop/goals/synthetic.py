"""Makes goals from a catalogue's own instructions or from instructions that people wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue.products import Product, ProductCatalogue
from llmrec_env.envs.shop.goals.goal import NO_LIMIT, Goal, published_order

PRICE_STEP = 10.0
MAX_PRICE_STEPS = 99
"""Price limits are multiples of ``PRICE_STEP`` up to so many times it."""
CANDIDATES = 4
MAX_GOALS = 50_000


@dataclass(frozen=True)
class Combination:
    """One way to choose a product's options.

    Attributes:
        row, product: which product.
        options: a value for each of its options, by name in alphabetical order.
        weight: of the goal that is made from it.
    """

    row: int
    product: Product
    options: dict[str, str]
    weight: float


def draw_prices(catalogue: ProductCatalogue, seed: int) -> Float64Array:
    """What each product costs, float64 (n_products,): drawn within its range, in whole cents."""
    low, high = catalogue.price_low, catalogue.price_high
    drawn = low + (high - low) * _stream(seed, "prices").random(len(catalogue))
    # rounding must leave a price inside its range
    return np.where(high > low, np.clip(np.round(drawn, 2), low, high), low)


def draw_limits(prices: Float64Array, seed: int, name: str) -> Float64Array:
    """A price limit for each price, float64 of the same shape.

    The larger of two different draws among the first four multiples of $10 above the price, up to
    $990; ``NO_LIMIT`` where there are fewer than two.
    """
    rng = _stream(seed, name)
    first, second = rng.random(prices.shape), rng.random(prices.shape)
    below = np.floor(prices / PRICE_STEP)
    n = np.clip(MAX_PRICE_STEPS - below, 0, CANDIDATES)
    one = np.floor(first * n)
    other = np.floor(second * (n - 1))
    other += other >= one
    limits = PRICE_STEP * (below + 1 + np.maximum(one, other))
    return np.where(n >= 2, limits, NO_LIMIT)


def combinations(
    catalogue: ProductCatalogue, seed: int, per_product: int | None, max_goals: int = MAX_GOALS
) -> Iterator[Combination]:
    """The combinations of all the options of each product that has an instruction.

    The weight of a goal is the mean of 1 / count over its attributes, where count is the number of
    goals, of all combinations, that name the attribute.

    Args:
        catalogue: the products.
        seed: draws which are left out.
        per_product: at most so many of one product, drawn; None for all.
        max_goals: at most so many in all, drawn.
    """
    numbers = _n_combinations(catalogue)
    numbers[np.diff(catalogue.arrays["instruction.starts"]) == 0] = 0.0
    weights = _weights(catalogue, numbers)
    kept = np.minimum(numbers, per_product or np.inf)
    rng = _stream(seed, "combinations")
    if kept.sum() > max_goals:
        kept = _thinned(kept, max_goals, rng)
    for row in np.flatnonzero(kept).tolist():
        product, weight = catalogue[row], float(weights[row])
        for number in _chosen(int(numbers[row]), int(kept[row]), rng):
            yield Combination(row, product, _options(product, number), weight)


def _options(product: Product, number: int) -> dict[str, str]:
    """The values of the ``number``-th combination, by option name in alphabetical order."""
    named = sorted(product.options.items())
    chosen = {}
    for name, values in reversed(named):
        number, place = divmod(number, len(values))
        chosen[name] = values[place]
    return {name: chosen[name] for name, _ in named}


def _with_options(base: str, options: Mapping[str, str], price_upper: float) -> str:
    """``base with color: x, and size: y, and price lower than Z dollars``."""
    pairs = ", and ".join(f"{name}: {value}" for name, value in options.items())
    return f"{base}{' with ' if pairs else ''}{pairs}{_price_text(price_upper)}"


def _price_text(price_upper: float) -> str:
    """``, and price lower than Z dollars``, or nothing without a limit."""
    return "" if price_upper >= NO_LIMIT else f", and price lower than {price_upper:.2f} dollars"


def synthetic_goals(
    catalogue: ProductCatalogue,
    prices: Float64Array,
    seed: int = 0,
    per_product: int | None = None,
    max_goals: int = MAX_GOALS,
) -> list[Goal]:
    """Goals from the products' own instructions, one for each combination of options.

    Args:
        catalogue: the products.
        prices: what they cost, float64 (n_products,).
        seed: draws the price limits, one a product, and which goals are left out.
        per_product: at most so many goals of one product; None for all.
        max_goals: at most so many in all.
    """
    limits = draw_limits(prices, seed, "limits")
    chosen = list(combinations(catalogue, seed, per_product, max_goals))
    return [
        make_goal(
            one.product,
            one.row,
            instruction=_with_options(one.product.instruction, one.options, float(limits[one.row])),
            attributes=one.product.instruction_attributes,
            options=one.options,
            price_upper=float(limits[one.row]),
            weight=one.weight,
            position=position,
        )
        for one, position in zip(chosen, published_order(len(chosen)), strict=True)
    ]


def human_goals(catalogue: ProductCatalogue, prices: Float64Array, seed: int = 0) -> list[Goal]:
    """Goals from instructions that people wrote, one each, in the order of the file.

    Raises:
        SettingError: the catalogue has none.
    """
    if not catalogue.human:
        raise SettingError(
            'instructions="human": this catalogue has none; read one with items_human_ins.json'
        )
    rows = np.array([catalogue.row(human.asin) for human in catalogue.human])
    limits = draw_limits(prices[rows], seed, "human limits")
    return [
        make_goal(
            catalogue[row],
            int(row),
            instruction=human.text + _price_text(limit),
            attributes=human.attributes,
            options=human.options,
            price_upper=float(limit),
            position=human.position,
        )
        for human, row, limit in zip(catalogue.human, rows, limits, strict=True)
    ]


def make_goal(product: Product, row: int, **parts: object) -> Goal:
    """A goal made from the product of a row."""
    return Goal(
        asin=product.asin,
        row=row,
        name=product.name,
        category=product.category,
        query=product.query,
        product_category=product.product_category,
        **parts,  # type: ignore[arg-type]
    )


def _stream(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for each thing that a seed draws."""
    return np.random.default_rng([seed, *name.encode()])


def _n_combinations(catalogue: ProductCatalogue) -> Float64Array:
    """How many ways each product's options can be chosen, float64 (n_products,)."""
    sizes = np.diff(catalogue.arrays["option_values.starts"]).astype(np.float64)
    return _per_row(np.multiply, sizes, catalogue.arrays["option_names.starts"], 1.0)


def _weights(catalogue: ProductCatalogue, numbers: Float64Array) -> Float64Array:
    """The weight of each product's goals, float64 (n_products,)."""
    named = catalogue.arrays["instruction_attributes.values"]
    starts = catalogue.arrays["instruction_attributes.starts"]
    lengths = np.diff(starts)
    counts = np.bincount(named, weights=np.repeat(numbers, lengths))
    # a product without goals may be the only one to name an attribute
    rarity = 1.0 / np.maximum(counts[named], 1.0)
    return _per_row(np.add, rarity, starts, 0.0) / np.maximum(lengths, 1)


def _per_row(add: np.ufunc, values: Float64Array, starts: IntArray, empty: float) -> Float64Array:
    """The values of each row in one, ``empty`` for a row without."""
    result = np.full(len(starts) - 1, empty)
    filled = np.flatnonzero(np.diff(starts))
    if len(filled):
        result[filled] = add.reduceat(values, starts[filled])
    return result


def _thinned(kept: Float64Array, max_goals: int, rng: np.random.Generator) -> Float64Array:
    """So many goals a product that ``max_goals`` remain, each as likely as any other."""
    if kept.sum() > 2**62:
        raise SettingError("too many combinations of options: set goals_per_product")
    order = np.sort(rng.choice(int(kept.sum()), size=max_goals, replace=False, shuffle=False))
    return np.diff(np.searchsorted(order, np.concatenate([[0.0], np.cumsum(kept)]))).astype(float)


def _chosen(n: int, k: int, rng: np.random.Generator) -> list[int]:
    """``k`` of the numbers below ``n``, in order."""
    if k == n:
        return list(range(n))
    return sorted(rng.choice(n, size=k, replace=False, shuffle=False).tolist()) if k else []
