"""Says what is wrong with a goal that somebody wrote by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable

from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals.goal import Goal


def goal_fault(goal: Goal, catalogue: ProductCatalogue) -> str | None:
    """What is wrong with a goal in a catalogue, as the end of a sentence; None if nothing is."""
    if not isinstance(goal, Goal):
        return f"is no Goal: {goal!r:.80}"
    if isinstance(goal.row, bool) or not isinstance(goal.row, int):
        return f"has the row {goal.row!r:.80}, which is no whole number"
    if not 0 <= goal.row < len(catalogue):
        return (
            f"names row {goal.row}, and the catalogue has {len(catalogue)} products: "
            "catalogue.row(asin) says which it is"
        )
    if not isinstance(goal.asin, str) or goal.asin.upper() != catalogue.asin(goal.row):
        return (
            f"is about product {goal.asin!r:.80}, and row {goal.row} of this catalogue is "
            f"{catalogue.asin(goal.row)!r}: make goals from the catalogue that they are used with"
        )
    return _fault_in_texts(goal) or _other_product(goal, catalogue) or _fault_in_numbers(goal)


def _other_product(goal: Goal, catalogue: ProductCatalogue) -> str | None:
    """Ids of generated shops are alike, so the title has a say as well, where the goal has one."""
    title = catalogue.names[goal.row]
    if not goal.name or goal.name == title:
        return None
    return (
        f"is about {goal.name!r:.60}, and {goal.asin} of this catalogue is {title!r:.60}: make "
        "goals from the catalogue that they are used with"
    )


def _fault_in_texts(goal: Goal) -> str | None:
    texts = {"name": goal.name, "category": goal.category, "query": goal.query}
    texts |= {"product_category": goal.product_category, "instruction": goal.instruction}
    for name, text in texts.items():
        if not isinstance(text, str):
            return f"has a {name} that is no text: {text!r:.80}"
    if not goal.instruction.strip():
        return "has no instruction"
    named = isinstance(goal.options, dict)
    if not named and not isinstance(goal.options, tuple):
        return f"has options that are neither a dict nor a tuple: {goal.options!r:.80}"
    options = [*goal.options, *goal.options.values()] if isinstance(goal.options, dict) else ()
    if not _all_texts(options or goal.options):
        return f"has options that are not texts: {goal.options!r:.80}"
    if not isinstance(goal.attributes, tuple) or not _all_texts(goal.attributes):
        return f"has attributes that are no tuple of texts: {goal.attributes!r:.80}"
    return None


def _fault_in_numbers(goal: Goal) -> str | None:
    for name in ("price_lower", "price_upper", "rating_lower", "weight"):
        value = getattr(goal, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or math.isnan(value) or value < 0.0:
            return f"has the {name} {value!r:.80}; expected a number of at least 0"
    if not math.isfinite(goal.weight):
        return "has an infinite weight"
    if goal.price_lower > goal.price_upper:
        return f"has price_lower {goal.price_lower} above price_upper {goal.price_upper}"
    return None


def _all_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)
