"""What a purchase is worth: the contract of a reward, and the repaired rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from llmrec_env.envs.shop.catalogue.colours import colour_words
from llmrec_env.envs.shop.catalogue.products import Product
from llmrec_env.envs.shop.goals import NO_LIMIT, Goal
from llmrec_env.envs.shop.words import spaced, words_as_nouns

NounTagger = Callable[[str], list[str]]
"""The nouns of a title, in lower case."""
COLOUR_NAMES = ("color", "colour")


@dataclass(frozen=True)
class Purchase:
    """What was bought: the product, the values chosen by option name, and the price in dollars."""

    product: Product
    options: Mapping[str, str]
    price: float


@dataclass(frozen=True)
class Verdict:
    """A reward and what it is made of.

    Attributes:
        reward: in [0, 1]; 1 is success.
        parts: the terms by name, each in [0, 1].
    """

    reward: float
    parts: dict[str, float]


class RewardRule(Protocol):
    """Says what a purchase is worth for a goal; a language reward model is one too."""

    def __call__(self, goal: Goal, purchase: Purchase) -> Verdict:
        """Judge a purchase."""


def type_factor(goal: Goal, product: Product, nouns: NounTagger) -> tuple[float, float]:
    """Whether it is the kind of thing that was asked for; (r_type, title_score).

    1, where the query is the same, the categories share two parts or the titles share more than a
    fifth of the goal's nouns; else 0.5; then 0.1 where they share less than a tenth, 0 where they
    share none.
    """
    # a noun that stands twice in the goal's title counts once above and twice below the line
    wanted, got = nouns(goal.name), nouns(product.name)
    title_score = len({*wanted} & {*got}) / len(wanted) if wanted else 0.2
    same = goal.query == product.query or title_score > 0.2
    same = same or _common_parts(goal.product_category, product.product_category) >= 2
    if title_score == 0.0:
        return 0.0, title_score
    if title_score < 0.1:
        return 0.1, title_score
    return (1.0 if same else 0.5), title_score


def _common_parts(one: str, other: str) -> int:
    parts = [{part.strip() for part in text.split("›")} for text in (one, other)]
    return len(parts[0] & parts[1])


class RepairedReward:
    """The default rule: the published formula with comparisons that a wrong choice does not pass.

    ``r = (n_attr + n_opt + n_limits) / (|attributes| + |options| + |limits|) * r_type``

    An attribute counts where the product lists it, or its words stand in the texts as whole words.
    An option counts where the value chosen for it is the value asked for; a colour also where it
    has the same colour words and the product does not offer the value itself. Limits are those on
    price (one, always there) and on rating (where the goal has one).

    Args:
        nouns: the nouns of a title, for ``r_type``.
    """

    def __init__(self, nouns: NounTagger = words_as_nouns) -> None:
        self._nouns = nouns

    def __call__(self, goal: Goal, purchase: Purchase) -> Verdict:
        """Judge a purchase; the parts are shares: type, attributes, options, price, rating."""
        r_type, title_score = type_factor(goal, purchase.product, self._nouns)
        n_attributes = sum(_has(purchase.product, attribute) for attribute in goal.attributes)
        n_options = count_options(goal, purchase)
        price = float(goal.price_lower <= purchase.price <= goal.price_upper)
        met, asked = n_attributes + n_options + price, len(goal.attributes) + len(goal.options) + 1
        parts = {
            "type": r_type,
            "title": title_score,
            "attributes": n_attributes / len(goal.attributes) if goal.attributes else 1.0,
            "options": n_options / len(goal.options) if goal.options else 1.0,
            "price": price,
        }
        if goal.rating_lower > 0.0:
            parts["rating"] = float(purchase.product.rating >= goal.rating_lower)
            met, asked = met + parts["rating"], asked + 1
        return Verdict(met / asked * r_type, parts)


def count_options(goal: Goal, purchase: Purchase) -> int:
    """How many of the goal's options were chosen, compared as whole values."""
    if isinstance(goal.options, dict):
        return sum(
            name in purchase.options and _agrees(value, name, purchase)
            for name, value in goal.options.items()
        )
    return sum(
        any(_agrees(value, name, purchase) for name in purchase.options) for value in goal.options
    )


def _agrees(wanted: str, name: str, purchase: Purchase) -> bool:
    chosen = purchase.options[name]
    if spaced(chosen) == spaced(wanted):
        # values that are signs alone have no words to compare
        return bool(spaced(chosen).strip()) or chosen == wanted
    if not any(said in name for said in COLOUR_NAMES):
        return False
    offered = purchase.product.options.get(name, ())
    if any(spaced(value) == spaced(wanted) for value in offered):
        return False
    colours = colour_words(wanted)
    return bool(colours) and colours == colour_words(chosen)


def _has(product: Product, attribute: str) -> bool:
    phrase = spaced(attribute)
    if phrase in product.spaced_attributes:
        return True
    return bool(phrase.strip()) and phrase in product.spaced_text


def best_options(goal: Goal, product: Product) -> dict[str, str]:
    """The values to choose of the product that a goal was made from, by option name."""
    if isinstance(goal.options, dict):
        return goal.options
    # values without names: each goes to the first option that offers it, or its colour
    chosen: dict[str, str] = {}
    for wanted in goal.options:
        for name, values in product.options.items():
            fitting = [v for v in values if _agrees(wanted, name, Purchase(product, {name: v}, 0))]
            if name not in chosen and fitting:
                chosen[name] = fitting[0]
                break
    return chosen


def reachable(goal: Goal, product: Product, price: float, rule: RewardRule) -> bool:
    """Whether the product that a goal was made from can earn 1, with the options chosen well."""
    purchase = Purchase(product, best_options(goal, product), min(price, NO_LIMIT))
    return rule(goal, purchase).reward == 1.0
