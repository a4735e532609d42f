"""The reward of WebShop exactly as it was published, for comparison with published numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from llmrec_env.common.extras import require
from llmrec_env.envs.shop.catalogue.colours import COLOURS, first_colour_within
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.reward import NounTagger, Purchase, Verdict, type_factor
from llmrec_env.envs.shop.words import words_as_nouns

MATCH = 85
"""Phrases whose ratio is above are the same."""
BEYOND_LATIN_1 = dict.fromkeys(range(128, 256))
"""The published comparison drops these characters before it compares."""


class PublishedReward:
    """``reward="webshop"``: Yao et al., WebShop, NeurIPS 2022, section 3 and its code's figures.

    ``r = (n_attr + n_opt + [price <= price_upper]) / (|attributes| + |options| + 1) * r_type``

    An attribute counts where a product attribute has token_set_ratio > 85 with it, or where it is a
    substring of the texts. An option counts where any chosen value has, after it became the first
    colour within it. Wrong options pass (``large`` for ``x-large``), and some goals cannot be
    reached: :class:`llmrec_env.envs.shop.reward.RepairedReward` mends that.

    Args:
        nouns: the nouns of a title; the original used a tagger, the default takes every word of
            three letters and more.

    Raises:
        MissingExtraError: rapidfuzz is not installed (extra ``shop``).
    """

    def __init__(self, nouns: NounTagger = words_as_nouns) -> None:
        self._nouns = nouns
        _fuzz()

    def __call__(self, goal: Goal, purchase: Purchase) -> Verdict:
        """Judge a purchase; the parts are shares: type, title, attributes, options, price."""
        r_type, title_score = type_factor(goal, purchase.product, self._nouns)
        n_attributes = sum(_has(purchase, attribute) for attribute in goal.attributes)
        n_options = _count_options(goal, purchase)
        price = float(purchase.price <= goal.price_upper)
        asked = len(goal.attributes) + len(goal.options) + 1
        parts = {
            "type": r_type,
            "title": title_score,
            "attributes": n_attributes / len(goal.attributes) if goal.attributes else 1.0,
            "options": n_options / len(goal.options) if goal.options else 1.0,
            "price": price,
        }
        return Verdict((n_attributes + n_options + price) / asked * r_type, parts)


def _has(purchase: Purchase, attribute: str) -> bool:
    listed = any(_same(own, attribute) for own in purchase.product.attributes)
    return listed or any(attribute in line for line in purchase.product.text.split("\n"))


def _count_options(goal: Goal, purchase: Purchase) -> int:
    chosen = [first_colour_within(value) for value in purchase.options.values()]
    return sum(any(_same(value, one) for value in chosen) for one in _wanted(goal))


def _wanted(goal: Goal) -> list[str]:
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
def _same(one: str, other: str) -> bool:
    fuzz, process = _fuzz()
    left = process(one.translate(BEYOND_LATIN_1))
    right = process(other.translate(BEYOND_LATIN_1))
    return round(fuzz.token_set_ratio(left, right)) > MATCH


@lru_cache(maxsize=1)
def _fuzz() -> tuple[Any, Any]:
    return require("rapidfuzz.fuzz", "shop"), require("rapidfuzz.utils", "shop").default_process
