"""Reward rules for a purchase: WebShop's as published, and the default, which repairs it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from llmrec_env.common.extras import require
from llmrec_env.envs.shop.catalogue.products import Product
from llmrec_env.envs.shop.goals import NO_LIMIT, Goal
from llmrec_env.envs.shop.kinds import is_kind
from llmrec_env.envs.shop.verdict import Purchase, RewardRule, Verdict
from llmrec_env.envs.shop.words import (
    COLOURS,
    colour_words,
    first_colour_within,
    spaced,
    words_as_nouns,
)

__all__ = [
    "PublishedReward",
    "Purchase",
    "RepairedReward",
    "RewardRule",
    "Verdict",
    "best_options",
    "has_all_options",
    "kind_factor",
    "reachable",
    "type_factor",
]

NounTagger = Callable[[str], list[str]]
"""The nouns of a title, in lower case."""
COLOUR_NAMES = ("color", "colour")
OTHER_KIND = 0.5
"""What another kind of thing earns at most, in the repaired rule."""
ALIKE = 0.2
"""Titles that share more than this share of the goal's nouns are of one type."""
MATCH = 85
"""In the published rule, phrases with a token set ratio above it are the same."""
BEYOND_LATIN_1 = dict.fromkeys(range(128, 256))
"""The published comparison drops these characters before it compares."""


class RepairedReward:
    """The default rule: the published formula with comparisons that a wrong choice does not pass.

    ``r = (n_attr + n_opt + n_limits) / (|attributes| + |options| + |limits|) * r_type``

    ``r_type = 1 if the kind is right, min(published r_type, 0.5) if it is another, else published``

    The kind is right where query and category of the product are those of the goal
    (:func:`llmrec_env.envs.shop.kinds.is_kind`): another kind of thing earns half at most, whatever
    else is right, and a title has a say only where the catalogue does not tell the kind. The
    published ``r_type`` is that of :func:`type_factor`.

    An attribute counts where the product lists it, or its words stand in the texts as whole words.
    An option counts where the value chosen for it is the value of the goal; a colour also where it
    has the same colour words and the product does not offer the value itself. Limits are those on
    price (one, always there) and on rating (where the goal has one).

    Args:
        nouns: the nouns of a title, for ``r_type``.
    """

    def __init__(self, nouns: NounTagger = words_as_nouns) -> None:
        self._nouns = nouns

    def __call__(self, goal: Goal, purchase: Purchase) -> Verdict:
        """Judge a purchase; the parts are shares: type, title, attributes, options, price, rating.

        ``rating`` is there where the goal has a bound on it.
        """
        product = purchase.product
        price, no_limit = purchase.price, goal.price_upper >= NO_LIMIT
        within = goal.price_lower <= price and (no_limit or price <= goal.price_upper)
        limits = {"price": float(within)}
        if goal.rating_lower > 0.0:
            limits["rating"] = float(product.rating >= goal.rating_lower)
        n_attributes = sum(_has_words(product, attribute) for attribute in goal.attributes)
        type_ = kind_factor(goal, product, self._nouns)
        return _verdict(goal, type_, n_attributes, _n_options(goal, purchase), limits)


class PublishedReward:
    """``reward="webshop"``: Yao et al., WebShop, NeurIPS 2022, section 3 and its code's figures.

    ``r = (n_attr + n_opt + [price <= price_upper]) / (|attributes| + |options| + 1) * r_type``

    An attribute counts where a product attribute has token_set_ratio > 85 with it, or where it is a
    substring of the texts. An option counts where any chosen value has, after it became the first
    colour within it. Wrong options pass (``large`` for ``x-large``), and some goals cannot be
    reached: :class:`RepairedReward` mends that.

    Args:
        nouns: the nouns of a title; the original used a tagger, the default takes every word of
            three letters and more.

    Raises:
        MissingExtraError: rapidfuzz is not installed (extra ``shop``).
    """

    def __init__(self, nouns: NounTagger = words_as_nouns) -> None:
        self._nouns = nouns
        _rapidfuzz()

    def __call__(self, goal: Goal, purchase: Purchase) -> Verdict:
        """Judge a purchase; the parts are shares: type, title, attributes, options, price."""
        chosen = [first_colour_within(value) for value in purchase.options.values()]
        n_options = sum(
            any(_similar(value, wanted) for value in chosen) for wanted in _published_options(goal)
        )
        n_attributes = sum(_has_similar(purchase.product, one) for one in goal.attributes)
        limits = {"price": float(purchase.price <= goal.price_upper)}
        type_ = type_factor(goal, purchase.product, self._nouns)
        return _verdict(goal, type_, n_attributes, n_options, limits)


def kind_factor(goal: Goal, product: Product, nouns: NounTagger) -> tuple[float, float]:
    """The repaired rule's (r_type, title_score): 1 demands the kind of thing that is asked for."""
    published, title_score = type_factor(goal, product, nouns)
    right = is_kind(goal, product)
    if right is None:
        # without any query the published rule takes all products for one kind
        right = published == 1.0 and (bool(goal.query) or title_score > ALIKE)
        return (published if right else min(published, OTHER_KIND)), title_score
    return (1.0 if right else min(published, OTHER_KIND)), title_score


def type_factor(goal: Goal, product: Product, nouns: NounTagger) -> tuple[float, float]:
    """The published rule's (r_type, title_score): how alike a product is to the goal's own.

    1, where the query is the same, the categories share two parts or the titles share more than a
    fifth of the goal's nouns; else 0.5; then 0.1 where they share less than a tenth, 0 where they
    share none.
    """
    # a noun that stands twice in the goal's title counts once above and twice below the line
    wanted, own = nouns(goal.name), nouns(product.name)
    title_score = len({*wanted} & {*own}) / len(wanted) if wanted else 0.2
    same = goal.query == product.query or title_score > ALIKE
    same = same or _common_parts(goal.product_category, product.product_category) >= 2
    if title_score == 0.0:
        return 0.0, title_score
    if title_score < 0.1:
        return 0.1, title_score
    return (1.0 if same else 0.5), title_score


def best_options(goal: Goal, product: Product) -> dict[str, str]:
    """The values to choose of a product, by option name; no value where none that counts is there.

    Of the product that a goal was made from these are the values that it asks for.
    """
    if isinstance(goal.options, dict):
        found = {n: _fitting(v, n, product) for n, v in goal.options.items()}
        return {name: values[0] for name, values in found.items() if values}
    # values without names: each goes to the first option that offers it, or its colour
    chosen: dict[str, str] = {}
    for wanted in goal.options:
        for name in product.options:
            fitting = _fitting(wanted, name, product)
            if name not in chosen and fitting:
                chosen[name] = fitting[0]
                break
    return chosen


def _fitting(wanted: str, name: str, product: Product) -> list[str]:
    """The values of an option that count as the one that is wanted, the very one first."""
    values = product.options.get(name, ())
    if wanted in values:
        return [wanted]
    return [v for v in values if _agrees(wanted, name, Purchase(product, {name: v}, 0.0))]


def reachable(goal: Goal, product: Product, price: float, rule: RewardRule) -> bool:
    """Whether the product that a goal was made from can earn 1, with the options chosen well."""
    purchase = Purchase(product, best_options(goal, product), price)
    return rule(goal, purchase).reward == 1.0


def _verdict(
    goal: Goal,
    type_: tuple[float, float],
    n_attributes: int,
    n_options: int,
    limits: dict[str, float],
) -> Verdict:
    """The formula that both rules share, from what each of them counts."""
    n_right = n_attributes + n_options + sum(limits.values())
    n_wanted = len(goal.attributes) + len(goal.options) + len(limits)
    parts = {
        "type": type_[0],
        "title": type_[1],
        "attributes": n_attributes / len(goal.attributes) if goal.attributes else 1.0,
        "options": n_options / len(goal.options) if goal.options else 1.0,
        **limits,
    }
    return Verdict(n_right / n_wanted * type_[0], parts)


def _common_parts(one: str, other: str) -> int:
    """How many parts of the paths ``A › B › C`` two product categories share."""
    parts = [{part.strip() for part in text.split("›")} for text in (one, other)]
    return len(parts[0] & parts[1])


def _n_options(goal: Goal, purchase: Purchase) -> int:
    """How many of the goal's options were chosen, compared as whole values."""
    if isinstance(goal.options, dict):
        return sum(
            name in purchase.options and _agrees(value, name, purchase)
            for name, value in goal.options.items()
        )
    return sum(
        any(_agrees(value, name, purchase) for name in purchase.options) for value in goal.options
    )


def has_all_options(goal: Goal, purchase: Purchase) -> bool:
    """Whether each option that a goal asks for was chosen, compared as in the repaired rule."""
    return _n_options(goal, purchase) == len(goal.options)


def _agrees(wanted: str, name: str, purchase: Purchase) -> bool:
    chosen = purchase.options[name]
    if spaced(chosen) == spaced(wanted):
        # values that are signs alone have no words to compare
        return bool(spaced(chosen).strip()) or chosen == wanted
    if not any(colour_name in name for colour_name in COLOUR_NAMES):
        return False
    offered = purchase.product.options.get(name, ())
    if any(spaced(value) == spaced(wanted) for value in offered):
        return False
    colours = colour_words(wanted)
    return bool(colours) and colours == colour_words(chosen)


def _has_words(product: Product, attribute: str) -> bool:
    phrase = spaced(attribute)
    if phrase in product.spaced_attributes:
        return True
    return bool(phrase.strip()) and phrase in product.spaced_text


def _has_similar(product: Product, attribute: str) -> bool:
    listed = any(_similar(own, attribute) for own in product.attributes)
    return listed or any(attribute in line for line in product.text.split("\n"))


def _published_options(goal: Goal) -> list[str]:
    """The goal's options as the original compares them.

    It hands over named options as pairs: a pair becomes a colour only where its value is one, and
    the name stands before the value otherwise. That is why ``rectangular``, once chosen, is ``tan``
    and does not agree with itself.
    """
    if not isinstance(goal.options, dict):
        return [first_colour_within(value) for value in goal.options]
    return [
        next((part for part in sorted(pair) if part in COLOURS), " ".join(pair))
        for pair in goal.options.items()
    ]


@lru_cache(maxsize=65_536)
def _similar(one: str, other: str) -> bool:
    fuzz, process = _rapidfuzz()
    left = process(one.translate(BEYOND_LATIN_1))
    right = process(other.translate(BEYOND_LATIN_1))
    ratio: float = fuzz.token_set_ratio(left, right)
    return round(ratio) > MATCH


@lru_cache(maxsize=1)
def _rapidfuzz() -> tuple[Any, Any]:
    return require("rapidfuzz.fuzz", "shop"), require("rapidfuzz.utils", "shop").default_process
