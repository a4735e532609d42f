"""``Shop``: catalogue, prices, goals, pages and reward rule that all environments share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from llmrec_env.common.arrays import Float64Array, read_only
from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.arguments import check_names
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals import (
    SPLIT_BY,
    SPLITS,
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
from llmrec_env.envs.shop.inventory import CatalogueSource, Inventory, open_inventory
from llmrec_env.envs.shop.pages import Pages
from llmrec_env.envs.shop.protocol.protocol import (
    INSTRUCTIONS,
    REWARDS,
    ShopProtocol,
    load_protocol,
)
from llmrec_env.envs.shop.reward import PublishedReward, RepairedReward, RewardRule, reachable
from llmrec_env.envs.shop.search.suggestions import Suggestions
from llmrec_env.envs.shop.views.match_features import MatchFeatures

KEYWORDS = (
    "instructions", "reward", "split", "split_by", "goals_per_product", "goal_seed", "protocol"
)  # fmt: skip
"""The arguments of a shop that environments have too, beside its catalogue."""


@dataclass(frozen=True, eq=False)
class ShopState:
    """An inventory with the prices of a seed, and what is made from both."""

    inventory: Inventory
    prices: Float64Array
    pages: Pages
    suggestions: Suggestions
    match_features: MatchFeatures


class Shop:
    """What every environment of the same arguments shares; it does not change.

    It is pickled by its arguments and opened again where it is unpickled.

    Args:
        source: the catalogue, as :func:`llmrec_env.envs.shop.inventory.open_inventory` takes it.
        instructions: ``"synthetic"``, ``"human"``, ``"paraphrased"``, or a
            :class:`llmrec_env.envs.shop.goals.GoalSet` with goals of one's own, which are taken as
            they are.
        reward: ``"repaired"``, ``"webshop"`` or a rule of one's own.
        goal_seed: draws prices, limits, and which goals are in which split.
        split, split_by: which goals: see :func:`llmrec_env.envs.shop.goals.split_goals`.
        goals_per_product: at most so many goals of one product; None for all.
        protocol: a name, a file or a :class:`ShopProtocol`, in place of all but source and split.

    Attributes:
        rule: says what a purchase is worth.
        goal_set: the goals of the split; goals: the same as a list. Unless the reward is
            ``"webshop"``, every one of them can be reached with the product that it was made from;
            goals of one's own are not looked at.
        inventory: the catalogue and its search engine.
        prices: what the products cost in dollars, float64 (n_products,).
        pages: the pages of the shop.
        suggestions: searches that an instruction suggests.
        match_features: compares products with instructions.
        protocol: what results mean here; None where no protocol was named.

    Raises:
        SettingError: an argument has no such value, no goal is left, or something is another than
            the protocol's.
        DataError: the catalogue cannot be read.
    """

    def __init__(
        self,
        source: CatalogueSource = None,
        instructions: str | GoalSet = "synthetic",
        reward: str | RewardRule = "repaired",
        goal_seed: int = 0,
        split: str = "train",
        split_by: str = "product",
        goals_per_product: int | None = None,
        protocol: str | os.PathLike[str] | ShopProtocol | None = None,
    ) -> None:
        if not isinstance(instructions, GoalSet):
            check_name("instructions", instructions, INSTRUCTIONS, "a GoalSet")
        check_name("split", split, SPLITS)
        check_name("split_by", split_by, SPLIT_BY)
        goal_seed = check_whole("goal_seed", goal_seed, 0)
        if goals_per_product is not None:
            goals_per_product = check_whole("goals_per_product", goals_per_product, 1)
        self._arguments = (
            source, instructions, reward, goal_seed, split, split_by, goals_per_product, protocol
        )  # fmt: skip
        self.protocol = None if protocol is None else load_protocol(protocol)
        if self.protocol is not None:
            fixed = self.protocol.shop_arguments(
                split,
                {
                    "source": source,
                    "instructions": instructions,
                    "reward": reward,
                    "goal_seed": goal_seed,
                    "split_by": split_by,
                    "goals_per_product": goals_per_product,
                },
            )
            source, reward, goal_seed = fixed["source"], fixed["reward"], fixed["goal_seed"]
        self.rule = _rule(reward)
        state = _open_state(open_inventory(source), goal_seed)
        self.inventory = state.inventory
        self.prices = state.prices
        self.pages = state.pages
        self.suggestions = state.suggestions
        self.match_features = state.match_features
        if self.protocol is not None:
            self.protocol.check_catalogue(state.inventory.catalogue)
            self.goal_set = _protocol_goal_set(state, self.protocol, split)
        else:
            published = isinstance(reward, str) and reward == "webshop"
            self.goal_set = _open_goal_set(
                state, instructions, published, goal_seed, goals_per_product, split, split_by
            )
        self.goals = self.goal_set.goals
        if callable(reward):
            self.protocol = None  # what is earned by another rule is no result of it

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Shop:
        """The shop of an environment's keywords, whose ``catalogue`` is the source.

        Raises:
            UnknownArgumentError: one of them is no keyword of a shop.
        """
        names = {"catalogue": "source", **{name: name for name in KEYWORDS}}
        check_names(settings, list(names))
        return cls(**{names[name]: value for name, value in settings.items()})

    def __deepcopy__(self, memo: object) -> Shop:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Shop, self._arguments


@lru_cache(maxsize=4)
def _open_state(inventory: Inventory, seed: int) -> ShopState:
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
    state = _open_state(open_inventory(source), goal_seed)
    return _goals(state, instructions, reward == "webshop", goal_seed, goals_per_product)


def protocol_goals(source: CatalogueSource, protocol: ShopProtocol) -> list[Goal]:
    """All goals that a protocol deals out, unchecked; for who makes one."""
    return _protocol_goals(_open_state(open_inventory(source), protocol.goal_seed), protocol)


@lru_cache(maxsize=4)
def _goals(
    state: ShopState,
    instructions: str | GoalSet,
    published: bool,
    seed: int,
    per_product: int | None,
) -> list[Goal]:
    catalogue, prices = state.inventory.catalogue, state.prices
    if isinstance(instructions, GoalSet):
        return _own_goals(instructions, catalogue, per_product)
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
def _open_goal_set(
    state: ShopState,
    instructions: str | GoalSet,
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
    instructions: str | GoalSet,
    published: bool,
    seed: int,
    per_product: int | None,
    by: str,
) -> tuple[list[Goal], list[str]]:
    """All goals and the split of each; a paraphrase takes its words from those of its split."""
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
def _protocol_goal_set(state: ShopState, protocol: ShopProtocol, split: str) -> GoalSet:
    goals = _protocol_goals(state, protocol)
    protocol.check_goals(goals)
    return GoalSet([goals[index] for index in protocol.indices(split)])


def _rule(reward: str | RewardRule) -> RewardRule:
    if callable(reward) and not isinstance(reward, type):
        return reward
    name = check_name("reward", reward, REWARDS, "a rule, called with a goal and a purchase")
    return RepairedReward() if name == "repaired" else PublishedReward()
