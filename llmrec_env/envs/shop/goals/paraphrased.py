"""Makes goals whose instructions use other words than the products, and add distractors."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue.departments import DEPARTMENTS, OPTIONS, Kind, Phrases
from llmrec_env.envs.shop.catalogue.generated import ORIGIN
from llmrec_env.envs.shop.catalogue.products import Product, ProductCatalogue
from llmrec_env.envs.shop.goals.goal import NO_LIMIT, Goal
from llmrec_env.envs.shop.goals.synthetic import (
    MAX_GOALS,
    PRICE_STEP,
    combinations,
    draw_limits,
    make_goal,
)

OPENINGS = (
    "I need {query}",
    "Could you get me {query}",
    "My aunt asked me for {query}",
    "I am after {query}",
)
DISTRACTORS = (
    "My sister has {other}, but that is not for me.",
    "Last year I bought {other} and gave it away.",
    "The shop around the corner only had {other}.",
    "Please nothing that reminds me of {other}.",
)
PRICES = (
    "I can spend at most {upper:.0f} dollars, and below {lower:.0f} I do not trust it.",
    "It should cost between {lower:.0f} and {upper:.0f} dollars.",
)
CEILINGS = ("I can spend at most {upper:.0f} dollars.", "Not a cent over {upper:.0f} dollars.")
RATINGS = (
    "Other buyers should have given it {stars} stars or better.",
    "I want nothing rated under {stars} stars.",
)

_KINDS: dict[str, tuple[Kind, Phrases]] = {
    kind.query: (kind, department.attributes)
    for department in DEPARTMENTS
    for kind in department.kinds
}


def paraphrased_goals(
    catalogue: ProductCatalogue,
    prices: Float64Array,
    seed: int = 0,
    per_product: int | None = None,
    max_goals: int = MAX_GOALS,
) -> list[Goal]:
    """Goals whose options and attributes stand in other words than the products have.

    Each instruction also names an option value that is not wanted, a range for the price and, where
    the product's rating allows, the stars it must have.

    Args:
        catalogue: a generated one.
        prices: what the products cost, float64 (n_products,).
        seed: draws the words, the limits, and which goals are left out.
        per_product: at most so many goals of one product; None for all.
        max_goals: at most so many in all.

    Raises:
        SettingError: the catalogue is not a generated one, so nobody knows other words for it.
    """
    if catalogue.facts.origin != ORIGIN:
        raise SettingError(
            'instructions="paraphrased" is for generated catalogues, whose words are known; '
            f"this one comes from {catalogue.facts.origin}"
        )
    rng = np.random.default_rng([seed, *b"paraphrases"])
    limits = draw_limits(prices, seed, "limits")
    goals = []
    for one in combinations(catalogue, seed, per_product, max_goals):
        upper = float(limits[one.row])
        lower = PRICE_STEP * int(rng.integers(0, int(prices[one.row] // PRICE_STEP) + 1))
        stars = _stars(one.product.rating, rng)
        goals.append(
            make_goal(
                one.product,
                one.row,
                instruction=_instruction(one.product, one.options, lower, upper, stars, rng),
                attributes=one.product.instruction_attributes,
                options=one.options,
                price_upper=upper,
                price_lower=lower,
                rating_lower=stars,
                weight=one.weight,
            )
        )
    return goals


def _stars(rating: float, rng: np.random.Generator) -> float:
    """A bound that the product meets, in half stars; 0 where it has under 3.5."""
    if rating < 3.5:
        return 0.0
    return 0.5 * int(rng.integers(7, int(2 * rating) + 1))


def _instruction(
    product: Product,
    options: dict[str, str],
    lower: float,
    upper: float,
    stars: float,
    rng: np.random.Generator,
) -> str:
    kind, attributes = _KINDS[product.query]
    phrases = [_say(attributes, attribute, rng) for attribute in product.instruction_attributes]
    values = dict(OPTIONS[key] for key in kind.options)
    phrases += [_say(values[name], value, rng) for name, value in options.items()]
    rng.shuffle(phrases)
    sentences = [f"{_one_of(OPENINGS, rng).format(query=product.query)}: {', '.join(phrases)}."]
    others = [v for name, value in options.items() for v in values[name] if v != value]
    if others:
        other = f"one in {_one_of(tuple(others), rng)}"
        sentences.append(_one_of(DISTRACTORS, rng).format(other=other))
    if upper < NO_LIMIT:
        forms = PRICES if lower > 0.0 else CEILINGS
        sentences.append(_one_of(forms, rng).format(lower=lower, upper=upper))
    elif lower > 0.0:
        sentences.append(f"It should cost {lower:.0f} dollars or more.")
    if stars > 0.0:
        sentences.append(_one_of(RATINGS, rng).format(stars=f"{stars:.1f}"))
    order = [0, *(1 + rng.permutation(len(sentences) - 1)).tolist()]
    return " ".join(sentences[place] for place in order)


def _say(phrases: Phrases, value: str, rng: np.random.Generator) -> str:
    return _one_of(phrases[value], rng)


def _one_of(texts: tuple[str, ...], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]
