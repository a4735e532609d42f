"""How many purchases of another kind of thing earn 1: is the kind that was asked for demanded?

Every goal is held against every product but its own, with the options chosen as well as they can
be. A product is of another kind by its query, by its category path, or by both; the published type
factor (under which the comparisons were repaired, and the kind was not) stands beside the repaired
one. One line each: pairs that earn 1, and the share of goals that have such a product.

    python benchmarks/shop_kinds.py
    python benchmarks/shop_kinds.py --catalogue path/to/webshop --show 20
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from llmrec_env.common.help import HelpFormatter
from llmrec_env.envs.shop.catalogue.products import Product
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.kinds import category_parts
from llmrec_env.envs.shop.reward import Purchase, RepairedReward, best_options, type_factor
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.words import words_as_nouns

Differs = Callable[[Goal, Product], bool]
OTHER_KINDS: dict[str, Differs] = {
    "another query": lambda goal, product: goal.query != product.query,
    "another category path": lambda goal, product: path(goal) != path(product),
    "another query and path": lambda goal, product: (
        goal.query != product.query and path(goal) != path(product)
    ),
    "any product but the goal's": lambda goal, product: True,
}
FACTORS = ("published", "repaired")


class Pair(NamedTuple):
    """A goal and another product that meets all of it; which factors say that its type is right."""

    number: int
    goal: Goal
    product: Product
    published: bool
    repaired: bool


def path(one: Goal | Product) -> tuple[str, ...]:
    """The parts of the category path."""
    return category_parts(one.product_category)


def pairs(shop: Shop, numbers: list[int]) -> Iterator[Pair]:
    """The pairs of goals, by number, and products whose attributes, options and limits are met."""
    catalogue, rule = shop.inventory.catalogue, RepairedReward()
    products = list(catalogue)
    for row, of_row in groupby(numbers, key=lambda number: shop.goals[number].row):
        own = list(of_row)
        for other, product in enumerate(products):
            goal = shop.goals[own[0]]
            # goals of one product ask for the same attributes: most products end here
            bought = Purchase(product, {}, float(shop.prices[other]))
            if other == row or rule(goal, bought).parts["attributes"] < 1.0:
                continue
            published = type_factor(goal, product, words_as_nouns)[0] == 1.0
            for number in own:
                goal = shop.goals[number]
                chosen = Purchase(product, best_options(goal, product), bought.price)
                parts = rule(goal, chosen).parts
                type_ = parts.pop("type")
                if all(part == 1.0 for name, part in parts.items() if name != "title"):
                    yield Pair(number, goal, product, published, type_ == 1.0)


def count(found: list[Pair], n_goals: int) -> list[dict[str, Any]]:
    """For each way to be of another kind, pairs and shares of goals under both factors."""
    rows = []
    for name, differs in OTHER_KINDS.items():
        row: dict[str, Any] = {"kind": name}
        for factor in FACTORS:
            own = [one for one in found if getattr(one, factor) and differs(one.goal, one.product)]
            row[f"{factor}_pairs"] = len(own)
            row[f"{factor}_goals"] = 100.0 * len({one.number for one in own}) / n_goals
        rows.append(row)
    return rows


def main() -> None:
    """Count, print a Markdown table, and show pairs that still earn 1."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--catalogue", help="folder of the public WebShop files; else generated")
    parser.add_argument("--goals", type=int, help="a seeded sample of so many goals; else all")
    parser.add_argument(
        "--goal-seed", type=int, default=0, help="seed of the goals' prices and limits"
    )
    parser.add_argument("--show", type=int, default=0, help="pairs of another path to print")
    args = parser.parse_args()
    shop = Shop(args.catalogue, split="all", goal_seed=args.goal_seed)
    n = min(args.goals or len(shop.goals), len(shop.goals))
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.choice(len(shop.goals), n, replace=False)).tolist()
    found = list(pairs(shop, numbers))
    print(f"{n} goals, {len(shop.inventory.catalogue)} products; pairs that earn 1 (% of goals)")
    print("| product of | published type factor | the kind is demanded |\n|---|---|---|")
    for row in count(found, n):
        cells = [f"{row[f'{one}_pairs']} ({row[f'{one}_goals']:.1f}%)" for one in FACTORS]
        print(f"| {row['kind']} | {' | '.join(cells)} |")
    differs = OTHER_KINDS["another category path"]
    shown = {
        (one.goal.query, one.goal.product_category, one.product.product_category): one
        for one in found
        if one.repaired and differs(one.goal, one.product)
    }
    for asked, wanted, own in list(shown)[: args.show]:
        print(f"{asked}: {wanted or '(no path)'} | {own or '(no path)'}")


if __name__ == "__main__":
    main()
