"""Scripted shopping agents: two that copy the instruction, and an oracle that knows the goal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agents.shop.shop_pool import ShopObservation
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.pages import PAGE_SIZE, Kind
from llmrec_env.envs.shop.reward import best_options
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.views.instruction_parser import parse_instruction
from llmrec_env.envs.shop.words import phrases_within

BUY = "click[buy now]"
NEXT = "click[next >]"
BACK = "click[< prev]"
INDEX = "click[back to search]"


class Rule:
    """An agent that names one of the valid actions by looking at the structured page."""

    observation = "dict"
    action_mode = "index"

    def choose(self, observation: ShopObservation) -> str:
        """One of ``observation.actions``."""
        raise NotImplementedError

    def act(
        self, observations: Sequence[ShopObservation], rng: np.random.Generator | None = None
    ) -> list[int]:
        """The place of the chosen action, for each observation; nothing is drawn."""
        return [one.actions.index(self.choose(one)) for one in observations]


class FirstHit(Rule):
    """Searches for the instruction, opens the first hit, copies its options, and buys."""

    def choose(self, observation: ShopObservation) -> str:
        """One of ``observation.actions``."""
        page = observation.content
        if page["page"] == Kind.ITEM:
            return self._at_product(observation)
        if page["page"] == Kind.RESULTS and page["results"]:
            return self._at_results(observation)
        return observation.actions[0]

    def _at_results(self, observation: ShopObservation) -> str:
        return opening(observation.content["results"][0])

    def _at_product(self, observation: ShopObservation) -> str:
        return buying(observation, wanted_options(observation.content))


class ScriptedBrowser(FirstHit):
    """Opens hits in their order, and goes back where an option of the instruction is missing.

    It passes over what is too dear, and when nothing is left on the last page it buys the first hit
    there. It uses what anybody sees.
    """

    def _at_results(self, observation: ShopObservation) -> str:
        page = observation.content
        limit = parse_instruction(page["instruction"]).price_upper
        for hit in page["results"]:
            if not hit["opened"] and hit["price"][0] <= limit:
                return opening(hit)
        return NEXT if NEXT in observation.actions else opening(page["results"][0])

    def _at_product(self, observation: ShopObservation) -> str:
        page = observation.content
        missing = len(parse_instruction(page["instruction"]).options) > len(wanted_options(page))
        return BACK if missing else super()._at_product(observation)


class Oracle(Rule):
    """Finds the product that the goal was made from among the hits, chooses its options, buys.

    It looks at the goal, so it is no agent that one could use. It goes on from any page, so it also
    says what another agent should have done there. Where no search shows the product, it takes the
    first hit.

    Args:
        shop: the shop of the environment, ``env.unwrapped.shop``.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def choose(self, observation: ShopObservation) -> str:
        """One of ``observation.actions``."""
        goal, page = self._shop.goals[observation.goal_index], observation.content
        if page["page"] == Kind.INDEX:
            places = {query: self._place(query[7:-1], goal) for query in observation.actions}
            shown = {query: place for query, place in places.items() if place is not None}
            return min(shown, key=lambda query: shown[query]) if shown else observation.actions[0]
        if page["page"] == Kind.RESULTS:
            return self._at_results(observation, goal)
        if page["page"] == Kind.ITEM:
            return self._at_product(observation, goal)
        return BACK

    def _at_results(self, observation: ShopObservation, goal: Goal) -> str:
        page = observation.content
        place = self._place(page["query"], goal)
        if place is None:
            if self._findable(goal) or not page["results"]:
                return INDEX
            return opening(page["results"][0])
        ahead = place // PAGE_SIZE - page["page_number"]
        if ahead:
            return NEXT if ahead > 0 else BACK
        return f"click[{goal.asin.lower()}]"

    def _at_product(self, observation: ShopObservation, goal: Goal) -> str:
        page = observation.content
        if page["product"]["asin"] != goal.asin:
            return BACK if self._findable(goal) else BUY
        product = self._shop.inventory.catalogue[goal.row]
        return buying(observation, best_options(goal, product))

    def _findable(self, goal: Goal) -> bool:
        """Whether one of the suggested searches shows the product."""
        queries = self._shop.suggestions.of(goal.instruction)
        return any(self._place(query, goal) is not None for query in queries)

    def _place(self, query: str, goal: Goal) -> int | None:
        """Where the product stands among the hits of a query, from 0; None if it does not."""
        hits = self._shop.pages.hits(query).tolist()
        return hits.index(goal.row) if goal.row in hits else None


def wanted_options(page: dict[str, Any]) -> dict[str, str]:
    """Values of an open product that its options offer and the instruction names, by option.

    Where the instruction names no options, the longest value of each that stands in it as a phrase.
    """
    parsed = parse_instruction(page["instruction"])
    offered = {option["name"]: option["values"] for option in page["options"]}
    if parsed.options:
        return {n: v for n, v in parsed.options.items() if v in offered.get(n, ())}
    return phrases_within(offered, parsed.base)


def opening(hit: dict[str, Any]) -> str:
    """The action that opens a product of the results."""
    return f"click[{hit['asin'].lower()}]"


def buying(observation: ShopObservation, options: Mapping[str, str]) -> str:
    """The next action to buy the open product with these values of its options."""
    chosen = {option["name"]: option["chosen"] for option in observation.content["options"]}
    for name, value in options.items():
        # a value that two options share is named with its option
        for action in (f"click[{name}: {value}]", f"click[{value}]"):
            if action in observation.actions:
                if chosen[name] != value:
                    return action
                break
    return BUY
