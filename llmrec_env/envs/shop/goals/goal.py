"""``Goal`` (what is to be bought), ``GoalSet`` to draw from, and disjoint splits of goals."""

from __future__ import annotations

import random
import zlib
from collections import Counter
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
SPLIT_BY = ("goal", "product", "position")
HELD_OUT = 0.1
"""Share of the goals or products in validation, and in test."""
FIRST_VALIDATION, FIRST_TRAINING = 500, 1500
"""Where the splits of the published order begin; test goals stand at its beginning."""
PUBLISHED_SHUFFLE = 233
"""With this seed the original program puts its goals in order."""

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
        position: its place in the published order, from 0, by which ``split_by="position"`` deals
            goals out; None where it has none.
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
    position: int | None = None


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


def published_order(n_goals: int) -> list[int]:
    """The place of each of ``n_goals`` goals after the original program's shuffle.

    It puts its goals, which stand in the order of the products, in an order by Python's generator
    with one fixed seed: ``random.seed(233); random.shuffle(goals)``.
    """
    shuffled = list(range(n_goals))
    random.Random(PUBLISHED_SHUFFLE).shuffle(shuffled)
    places = [0] * n_goals
    for place, goal in enumerate(shuffled):
        places[goal] = place
    return places


def split_goals(goals: Sequence[Goal], split: str, by: str, seed: int = 0) -> list[int]:
    """Which goals are in a split.

    Args:
        goals: all goals.
        split: ``"train"`` (80%), ``"validation"``, ``"test"`` (10% each) or ``"all"``.
        by: ``"goal"``: no two splits have an instruction in common; ``"product"``: nor a product;
            ``"position"``: the field's own, by place in the published order: test 0 to 499,
            validation 500 to 1,499, train the rest. These share products, and may share
            instructions.
        seed: shuffles the goals or products before they are dealt out; not of positions.

    Returns:
        Indices of goals, ascending.

    Raises:
        SettingError: ``split`` or ``by`` has no such value, or there are too few to split.
    """
    return in_split(split_names(goals, by, seed), split, by)


def split_names(
    goals: Sequence[Goal], by: str, seed: int = 0, held_out: tuple[float, float] = (HELD_OUT,) * 2
) -> list[str]:
    """The split of each goal; ``"all"`` for each where there are too few for three.

    Args:
        goals, by, seed: as in :func:`split_goals`.
        held_out: shares of the goals or products in validation and in test; not of positions.

    Raises:
        SettingError: ``by`` has no such value, or a goal has no position.
    """
    check_name("split_by", by, SPLIT_BY)
    if by == "position":
        return [_split_at(goal.position) for goal in goals]
    texts = [goal.instruction.lower() for goal in goals]
    keys = texts if by == "goal" else _families([goal.asin for goal in goals], texts)
    different = sorted(set(keys))
    if len(different) < 3:
        return ["all"] * len(goals)
    split_of = _deal(different, by, seed, held_out)
    return [split_of[key] for key in keys]


def published_split(position: int) -> str:
    """The split of a place in the published order."""
    if position < FIRST_VALIDATION:
        return "test"
    return "validation" if position < FIRST_TRAINING else "train"


def _split_at(position: int | None) -> str:
    if position is None:
        raise SettingError(
            "split_by='position': these goals have no published order. Instructions of people have "
            "one where human_goals.json, the public list of them, lies beside items_human_ins.json"
        )
    return published_split(position)


def in_split(names: Sequence[str], split: str, by: str) -> list[int]:
    """The indices of a split, ascending, by what :func:`split_names` said.

    Raises:
        SettingError: ``split`` has no such value, there were too few to split, or none is in it.
    """
    check_name("split", split, SPLITS)
    if split == "all":
        return list(range(len(names)))
    if "all" in names:
        raise SettingError(
            f"fewer than three {by}s are too few for three splits: split='all' (--split) has all "
            "goals"
        )
    found = [index for index, name in enumerate(names) if name == split]
    if not found:
        there = ", ".join(f"{n} in {name!r}" for name, n in sorted(Counter(names).items()))
        raise SettingError(
            f"split={split!r}: no goal is in it; by {by} there are {there or 'no goals at all'}"
        )
    return found


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


def _deal(keys: list[str], by: str, seed: int, held_out: tuple[float, float]) -> dict[str, str]:
    """The split of each key."""
    n = len(keys)
    n_validation, n_test = (max(1, round(share * n)) for share in held_out)
    order = np.random.default_rng([seed, zlib.crc32(by.encode())]).permutation(n)
    names = ["test"] * n_test + ["validation"] * n_validation
    names += ["train"] * (n - n_test - n_validation)
    return {keys[place]: name for place, name in zip(order, names, strict=True)}
