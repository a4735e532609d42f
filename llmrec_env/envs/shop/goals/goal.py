"""``Goal`` (what is to be bought), ``GoalSet`` to draw from, and disjoint splits of goals."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.checks import check_name

NO_LIMIT = 1_000_000.0
"""The upper price of a goal without a price limit, in dollars."""
SPLITS = ("train", "validation", "test", "all")
SPLIT_BY = ("goal", "product")
HELD_OUT = 0.1
"""Share of the goals or products in validation, and in test."""

Options = dict[str, str] | tuple[str, ...]
"""Values by option name, or, from people, values alone."""


@dataclass(frozen=True)
class Goal:
    """What is to be bought.

    Attributes:
        asin, row: the product that the goal was made from; others may do as well.
        name, category, query, product_category: of that product.
        instruction: what the shopper reads.
        attributes: what must hold; options: what must be chosen.
        price_upper, price_lower: dollars; NO_LIMIT and 0 where nothing is said.
        rating_lower: stars; 0 where nothing is said.
        weight: how often the goal is drawn, relative to others.
    """

    asin: str
    row: int
    name: str
    category: str
    query: str
    product_category: str
    instruction: str
    attributes: tuple[str, ...]
    options: Options = field(default_factory=dict)
    price_upper: float = NO_LIMIT
    price_lower: float = 0.0
    rating_lower: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class GoalSet:
    """The goals of a split.

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


def split_goals(goals: Sequence[Goal], split: str, by: str, seed: int = 0) -> list[int]:
    """Which goals are in a split.

    Args:
        goals: all goals.
        split: ``"train"`` (80%), ``"validation"``, ``"test"`` (10% each) or ``"all"``.
        by: ``"goal"``: no two splits have an instruction in common; ``"product"``: nor a product.
        seed: shuffles the goals or products before they are dealt out.

    Returns:
        Indices of goals, ascending.

    Raises:
        SettingError: ``split`` or ``by`` has no such value, or there are too few to split.
    """
    return in_split(split_names(goals, by, seed), split, by)


def split_names(goals: Sequence[Goal], by: str, seed: int = 0) -> list[str]:
    """The split of each goal; ``"all"`` for each where there are too few for three.

    Raises:
        SettingError: ``by`` has no such value.
    """
    check_name("split_by", by, SPLIT_BY)
    texts = [goal.instruction.lower() for goal in goals]
    keys = texts if by == "goal" else _families([goal.asin for goal in goals], texts)
    different = sorted(set(keys))
    if len(different) < 3:
        return ["all"] * len(goals)
    split_of = _deal(different, by, seed)
    return [split_of[key] for key in keys]


def in_split(names: Sequence[str], split: str, by: str) -> list[int]:
    """The indices of a split, ascending, by what :func:`split_names` said.

    Raises:
        SettingError: ``split`` has no such value, or there were too few to split.
    """
    check_name("split", split, SPLITS)
    if split == "all":
        return list(range(len(names)))
    if "all" in names:
        raise SettingError(
            f"fewer than three {by}s are too few for three splits: split='all' has all goals"
        )
    return [index for index, name in enumerate(names) if name == split]


def _families(asins: Sequence[str], texts: Sequence[str]) -> list[str]:
    """A name for each goal, alike for goals of one product and for those of one instruction.

    Products that share an instruction stand in one split: else the text would be known.
    """
    family: dict[str, str] = {}
    first: dict[str, str] = {}

    def find(asin: str) -> str:
        while family.setdefault(asin, asin) != asin:
            asin = family[asin]
        return asin

    for asin, text in zip(asins, texts, strict=True):
        one, other = sorted((find(asin), find(first.setdefault(text, asin))))
        family[other] = one
    return [find(asin) for asin in asins]


def _deal(keys: list[str], by: str, seed: int) -> dict[str, str]:
    """The split of each key."""
    n = len(keys)
    held_out = max(1, round(HELD_OUT * n))
    order = np.random.default_rng([seed, zlib.crc32(by.encode())]).permutation(n)
    names = ["test"] * held_out + ["validation"] * held_out + ["train"] * (n - 2 * held_out)
    return {keys[place]: name for place, name in zip(order, names, strict=True)}
