"""Shoppers that learn nothing: they copy the instruction, and show how far copying goes."""

from __future__ import annotations

from typing import Any

from agents.shop.base import Rule, ShopObservation
from llmrec_env.envs.shop.instruction_parser import parse_instruction
from llmrec_env.envs.shop.pages import Kind
from llmrec_env.envs.shop.words import phrases_within

BUY = "click[buy now]"
NEXT = "click[next >]"
BACK = "click[< prev]"
INDEX = "click[back to search]"


class FirstHit(Rule):
    """Searches for the instruction, opens the first hit, copies its options, and buys."""

    def choose(self, sight: ShopObservation) -> str:
        """One of ``sight.actions``."""
        page = sight.observation
        if page["page"] == Kind.ITEM:
            return self._at_product(sight)
        if page["page"] == Kind.RESULTS and page["results"]:
            return self._at_results(sight)
        return sight.actions[0]

    def _at_results(self, sight: ShopObservation) -> str:
        return opening(sight.observation["results"][0])

    def _at_product(self, sight: ShopObservation) -> str:
        page = sight.observation
        chosen = {option["name"]: option["chosen"] for option in page["options"]}
        for name, value in asked(page).items():
            action = choosing(sight, name, value)
            if chosen[name] != value and action is not None:
                return action
        return BUY


class ScriptedBrowser(FirstHit):
    """Opens hits in their order, and goes back where an asked option is missing.

    It passes over what is too dear, and when nothing is left on the last page it buys the first hit
    there. It uses what anybody sees.
    """

    def _at_results(self, sight: ShopObservation) -> str:
        page = sight.observation
        limit = parse_instruction(page["instruction"]).price_upper
        for hit in page["results"]:
            if not hit["opened"] and hit["price"][0] <= limit:
                return opening(hit)
        return NEXT if NEXT in sight.actions else opening(page["results"][0])

    def _at_product(self, sight: ShopObservation) -> str:
        page = sight.observation
        missing = len(parse_instruction(page["instruction"]).options) > len(asked(page))
        return BACK if missing else super()._at_product(sight)


def asked(page: dict[str, Any]) -> dict[str, str]:
    """Values of an open product that its options offer and the instruction asks for, by name.

    Where the instruction names no options, the longest value of each that stands in it as a phrase.
    """
    wish = parse_instruction(page["instruction"])
    offered = {option["name"]: option["values"] for option in page["options"]}
    if wish.options:
        return {n: v for n, v in wish.options.items() if v in offered.get(n, ())}
    return phrases_within(offered, wish.base)


def opening(hit: dict[str, Any]) -> str:
    """The action that opens a product of the results."""
    return f"click[{hit['asin'].lower()}]"


def choosing(sight: ShopObservation, name: str, value: str) -> str | None:
    """The action that chooses a value, or None where the page has none."""
    actions = (f"click[{name}: {value}]", f"click[{value}]")
    return next((action for action in actions if action in sight.actions), None)
