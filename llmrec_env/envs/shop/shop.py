"""A shop that is open: stock, prices, goals and pages, shared by all who shop there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.goals import Goal, draw_prices, human_goals, synthetic_goals
from llmrec_env.envs.shop.inventory import CatalogueSource, Inventory, open_inventory
from llmrec_env.envs.shop.match_features import MatchFeatures
from llmrec_env.envs.shop.pages import Pages
from llmrec_env.envs.shop.paraphrased import paraphrased_goals
from llmrec_env.envs.shop.published_reward import PublishedReward
from llmrec_env.envs.shop.reward import RepairedReward, RewardRule, reachable
from llmrec_env.envs.shop.search.queries import Suggestions
from llmrec_env.envs.shop.splits import split_goals

INSTRUCTIONS = ("synthetic", "human", "paraphrased")
REWARDS = ("repaired", "webshop")


@dataclass(frozen=True, eq=False)
class ShopState:
    """A stock with the prices of a seed, and its pages."""

    inventory: Inventory
    prices: Float64Array
    pages: Pages
    suggestions: Suggestions
    fits: MatchFeatures


@dataclass(frozen=True, eq=False)
class GoalSet:
    """The goals of a split, and what is known of all of them.

    Attributes:
        goals: in the order of the catalogue, or in the order of one's own.
    """

    goals: list[Goal]

    def __deepcopy__(self, memo: object) -> GoalSet:
        return self  # gymnasium copies the arguments of an environment

    def draw(self, rng: np.random.Generator) -> int:
        """The index of a goal, drawn in proportion to the goals' weights."""
        place = int(self._cumulated.searchsorted(rng.random() * self._cumulated[-1], "right"))
        return min(place, len(self.goals) - 1)

    @cached_property
    def characters(self) -> frozenset[str]:
        """Every character of the instructions."""
        return frozenset().union(*(goal.instruction for goal in self.goals))

    @cached_property
    def longest(self) -> int:
        """Characters of the longest instruction."""
        return max(len(goal.instruction) for goal in self.goals)

    @cached_property
    def _cumulated(self) -> Float64Array:
        return np.cumsum([goal.weight for goal in self.goals])


class Shop:
    """What every environment of the same arguments shares; it does not change.

    Args:
        source: the catalogue, as :func:`llmrec_env.envs.shop.inventory.open_stock` takes it.
        instructions: ``"synthetic"``, ``"human"``, ``"paraphrased"``, or a :class:`GoalSet` with
            goals of one's own, which are taken as they are.
        reward: ``"repaired"``, ``"webshop"`` or a rule of one's own.
        goal_seed: draws prices, limits, and which goals are in which split.
        split, split_by: which goals: see :func:`llmrec_env.envs.shop.splits.split_goals`.
        goals_per_product: at most so many goals of one product; None for all.

    Attributes:
        rule: says what a purchase is worth.
        book: the goals of the split. Unless the reward is ``"webshop"``, every one of them can be
            reached with the product that it was made from; goals of one's own are not looked at.

    Raises:
        SettingError: an argument has no such value, or no goal is left.
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
    ) -> None:
        if not isinstance(instructions, GoalSet) and instructions not in INSTRUCTIONS:
            raise SettingError(
                f"instructions must be one of {INSTRUCTIONS} or a GoalSet, got {instructions!r}"
            )
        if goals_per_product is not None and goals_per_product < 1:
            raise SettingError(f"goals_per_product must be at least 1, got {goals_per_product!r}")
        self.rule = _rule(reward)
        self._premises = _open_premises(open_inventory(source), goal_seed)
        self.book = _open_book(
            self._premises,
            instructions,
            reward == "webshop",
            goal_seed,
            goals_per_product,
            split,
            split_by,
        )

    def __deepcopy__(self, memo: object) -> Shop:
        return self

    @property
    def goals(self) -> list[Goal]:
        """The goals of the split."""
        return self.book.goals

    @property
    def inventory(self) -> Inventory:
        """The catalogue and its engine."""
        return self._premises.inventory

    @property
    def prices(self) -> Float64Array:
        """What the products cost, float64 (n_products,)."""
        return self._premises.prices

    @property
    def pages(self) -> Pages:
        """The pages of the shop."""
        return self._premises.pages

    @property
    def suggestions(self) -> Suggestions:
        """Searches that an instruction suggests."""
        return self._premises.suggestions

    @property
    def fits(self) -> MatchFeatures:
        """Compares products with instructions."""
        return self._premises.fits


@lru_cache(maxsize=4)
def _open_premises(inventory: Inventory, seed: int) -> ShopState:
    prices = draw_prices(inventory.catalogue, seed)
    suggestions = Suggestions(inventory.catalogue.queries())
    pages = Pages(inventory.catalogue, prices, inventory.engine, suggestions)
    fits = MatchFeatures(inventory.catalogue, prices, suggestions)
    return ShopState(inventory, prices, pages, suggestions, fits)


@lru_cache(maxsize=4)
def _goals(
    premises: ShopState,
    instructions: str | GoalSet,
    published: bool,
    seed: int,
    per_product: int | None,
) -> list[Goal]:
    if isinstance(instructions, GoalSet):
        return _own_goals(instructions, len(premises.inventory.catalogue), per_product)
    catalogue, prices = premises.inventory.catalogue, premises.prices
    if instructions == "synthetic":
        goals = synthetic_goals(catalogue, prices, seed, per_product)
    elif instructions == "human":
        goals = human_goals(catalogue, prices, seed)
    else:
        goals = paraphrased_goals(catalogue, prices, seed, per_product)
    if not published:
        repaired, kept = RepairedReward(), []
        for row, those in groupby(goals, key=lambda goal: goal.row):
            product, price = catalogue[row], float(prices[row])
            kept += [goal for goal in those if reachable(goal, product, price, repaired)]
        goals = kept
    if not goals:
        raise SettingError(f"no {instructions} goal can be made from this catalogue")
    return goals


def _own_goals(book: GoalSet, n_products: int, per_product: int | None) -> list[Goal]:
    if per_product is not None:
        raise SettingError("goals_per_product is for goals that are made; a GoalSet has its own")
    if not book.goals:
        raise SettingError("instructions: this GoalSet has no goal; it needs one at least")
    for number, goal in enumerate(book.goals):
        if not 0 <= goal.row < n_products:
            raise SettingError(
                f"instructions: goal {number} of this GoalSet names row {goal.row}, and the "
                f"catalogue has {n_products} products: catalogue.row(asin) says which it is"
            )
    return book.goals


@lru_cache(maxsize=16)
def _open_book(
    premises: ShopState,
    instructions: str | GoalSet,
    published: bool,
    seed: int,
    per_product: int | None,
    split: str,
    by: str,
) -> GoalSet:
    goals = _goals(premises, instructions, published, seed, per_product)
    return GoalSet([goals[index] for index in split_goals(goals, split, by, seed)])


def _rule(reward: str | RewardRule) -> RewardRule:
    if callable(reward):
        return reward
    if reward not in REWARDS:
        raise SettingError(f"reward must be one of {REWARDS} or a rule, got {reward!r}")
    return RepairedReward() if reward == "repaired" else PublishedReward()
