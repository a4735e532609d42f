"""A shopper that knows what is wanted: the upper bound of a table, and a writer of rollouts."""

from __future__ import annotations

from agents.shop.base import Rule, ShopObservation
from agents.shop.rules import BACK, BUY, INDEX, NEXT, choosing, opening
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.pages import PAGE_SIZE, Kind
from llmrec_env.envs.shop.reward import best_options
from llmrec_env.envs.shop.shop import Shop


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

    def choose(self, sight: ShopObservation) -> str:
        """One of ``sight.actions``."""
        goal, page = self._shop.goals[sight.goal_index], sight.observation
        if page["page"] == Kind.INDEX:
            places = {query: self._place(query[7:-1], goal) for query in sight.actions}
            found = {query: place for query, place in places.items() if place is not None}
            return min(found, key=lambda query: found[query]) if found else sight.actions[0]
        if page["page"] == Kind.RESULTS:
            return self._at_results(sight, goal)
        if page["page"] == Kind.ITEM:
            return self._at_product(sight, goal)
        return BACK

    def _at_results(self, sight: ShopObservation, goal: Goal) -> str:
        page = sight.observation
        place = self._place(page["query"], goal)
        if place is None:
            if self._findable(goal) or not page["results"]:
                return INDEX
            return opening(page["results"][0])
        ahead = place // PAGE_SIZE - page["page_number"]
        if ahead:
            return NEXT if ahead > 0 else BACK
        return f"click[{goal.asin.lower()}]"

    def _at_product(self, sight: ShopObservation, goal: Goal) -> str:
        page = sight.observation
        if page["product"]["asin"] != goal.asin:
            return BACK if self._findable(goal) else BUY
        chosen = {option["name"]: option["chosen"] for option in page["options"]}
        product = self._shop.inventory.catalogue[goal.row]
        for name, value in best_options(goal, product).items():
            action = choosing(sight, name, value)
            if chosen[name] != value and action is not None:
                return action
        return BUY

    def _findable(self, goal: Goal) -> bool:
        """Whether one of the suggested searches shows the product."""
        queries = self._shop.suggestions.of(goal.instruction)
        return any(self._place(query, goal) is not None for query in queries)

    def _place(self, query: str, goal: Goal) -> int | None:
        """Where the product stands among the hits of a query, from 0; None if it does not."""
        hits = self._shop.pages.hits(query).tolist()
        return hits.index(goal.row) if goal.row in hits else None
