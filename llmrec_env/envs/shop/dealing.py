"""The goals that a shop deals out: made from its catalogue and prices once, and split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from llmrec_env.common.arrays import Float64Array, read_only
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals import (
    Goal,
    GoalSet,
    draw_prices,
    goal_fault,
    human_goals,
    in_split,
    limited_goals,
    paraphrase,
    split_names,
    synthetic_goals,
)
from llmrec_env.envs.shop.goals.rewritten import RewrittenInstructions
from llmrec_env.envs.shop.inventory import CatalogueSource, Inventory, open_inventory
from llmrec_env.envs.shop.pages import Pages
from llmrec_env.envs.shop.protocol.protocol import ShopProtocol
from llmrec_env.envs.shop.reward import RepairedReward, reachable
from llmrec_env.envs.shop.search.suggestions import Suggestions
from llmrec_env.envs.shop.views.match_features import MatchFeatures

Instructions = str | GoalSet | RewrittenInstructions
"""A kind by name, goals of one's own, or instructions in other words."""


@dataclass(frozen=True, eq=False)
class ShopState:
    """An inventory with the prices of a seed, and what is made from both."""

    inventory: Inventory
    prices: Float64Array
    pages: Pages
    suggestions: Suggestions
    match_features: MatchFeatures


@lru_cache(maxsize=4)
def open_state(inventory: Inventory, seed: int) -> ShopState:
    prices = read_only(draw_prices(inventory.catalogue, seed))
    suggestions = Suggestions(inventory.catalogue.queries())
    pages = Pages(inventory.catalogue, prices, inventory.engine, suggestions)
    match_features = MatchFeatures(inventory.catalogue, prices, suggestions)
    return ShopState(inventory, prices, pages, suggestions, match_features)


def made_goals(
    source: CatalogueSource,
    instructions: str = "synthetic",
    reward: str = "repaired",
    goal_seed: int = 0,
    goals_per_product: int | None = None,
) -> list[Goal]:
    """All goals that a shop of these arguments deals out, before any is paraphrased."""
    state = open_state(open_inventory(source), goal_seed)
    return _goals(state, instructions, reward == "webshop", goal_seed, goals_per_product)


def protocol_goals(source: CatalogueSource, protocol: ShopProtocol) -> list[Goal]:
    """All goals that a protocol deals out, unchecked; for who makes one."""
    return _protocol_goals(open_state(open_inventory(source), protocol.goal_seed), protocol)


@lru_cache(maxsize=4)
def _goals(
    state: ShopState,
    instructions: Instructions,
    published: bool,
    seed: int,
    per_product: int | None,
) -> list[Goal]:
    catalogue, prices = state.inventory.catalogue, state.prices
    if isinstance(instructions, GoalSet):
        return _own_goals(instructions, catalogue, per_product)
    assert isinstance(instructions, str)  # rewritten ones are some of those of a kind
    if instructions == "synthetic":
        goals = synthetic_goals(catalogue, prices, seed, per_product)
    elif instructions == "human":
        goals = human_goals(catalogue, prices, seed)
    else:
        goals = limited_goals(catalogue, prices, seed, per_product)
    if not published:
        repaired, kept = RepairedReward(), []
        for row, of_product in groupby(goals, key=lambda goal: goal.row):
            product, price = catalogue[row], float(prices[row])
            kept += [goal for goal in of_product if reachable(goal, product, price, repaired)]
        goals = kept
    if not goals:
        raise SettingError(f"no {instructions} goal can be made from this catalogue")
    return goals


def _own_goals(
    goal_set: GoalSet, catalogue: ProductCatalogue, per_product: int | None
) -> list[Goal]:
    if per_product is not None:
        raise SettingError("goals_per_product is for goals that are made; a GoalSet has its own")
    if not goal_set.goals:
        raise SettingError("instructions: this GoalSet has no goal; it needs one at least")
    for number, goal in enumerate(goal_set.goals):
        if wrong := goal_fault(goal, catalogue):
            raise SettingError(f"instructions: goal {number} of this GoalSet {wrong}")
    if not any(goal.weight for goal in goal_set.goals):
        raise SettingError("instructions: no goal of this GoalSet has a weight above 0")
    return goal_set.goals


@lru_cache(maxsize=16)
def open_goal_set(
    state: ShopState,
    instructions: Instructions,
    published: bool,
    seed: int,
    per_product: int | None,
    split: str,
    by: str,
) -> GoalSet:
    goals, names = _dealt_goals(state, instructions, published, seed, per_product, by)
    return GoalSet([goals[index] for index in in_split(names, split, by)])


@lru_cache(maxsize=4)
def _dealt_goals(
    state: ShopState,
    instructions: Instructions,
    published: bool,
    seed: int,
    per_product: int | None,
    by: str,
) -> tuple[list[Goal], list[str]]:
    """All goals and the split of each; a paraphrase takes its words from those of its split."""
    if isinstance(instructions, RewrittenInstructions):
        made, names = _dealt_goals(state, instructions.of, published, seed, per_product, by)
        placed = instructions.placed(made)
        return [goal for _, goal in placed], [names[place] for place, _ in placed]
    goals = _goals(state, instructions, published, seed, per_product)
    names = split_names(goals, by, seed)
    return (paraphrase(goals, names, seed) if instructions == "paraphrased" else goals), names


@lru_cache(maxsize=4)
def _protocol_goals(state: ShopState, protocol: ShopProtocol) -> list[Goal]:
    seed, published = protocol.goal_seed, protocol.reward == "webshop"
    goals = _goals(state, protocol.instructions, published, seed, protocol.goals_per_product)
    if protocol.instructions == "paraphrased" and len(goals) == protocol.n_goals:
        return paraphrase(goals, protocol.split_names(), seed)
    return goals


@lru_cache(maxsize=16)
def protocol_goal_set(state: ShopState, protocol: ShopProtocol, split: str) -> GoalSet:
    goals = _protocol_goals(state, protocol)
    protocol.check_goals(goals)
    return GoalSet([goals[index] for index in protocol.indices(split)])
