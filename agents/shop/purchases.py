"""Purchases, good and bad, with what the shop pays for them: what a reward model learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.shop.rollouts import Rollout
from agents.shop.rules import BUY
from agents.shop.shop_pool import ShopPool
from llmrec_env.common.progress import track
from llmrec_env.envs.shop.catalogue.products import Product
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.instruction_parser import parse_instruction
from llmrec_env.envs.shop.reward import Purchase, best_options
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.words import phrases_within

KINDS = ("perfect", "one wrong option", "no options", "first hit", "other hit", "any product")
"""What is bought for a goal: see :func:`judged_purchases`."""


@dataclass(frozen=True)
class JudgedPurchase:
    """A purchase and what the shop pays for it.

    Attributes:
        instruction: what was asked for; purchase: what was bought.
        reward: in [0, 1].
        kind: one of ``KINDS``, or ``"rollout"``; asin: the product that the goal was made from.
    """

    instruction: str
    purchase: Purchase
    reward: float
    kind: str
    asin: str


def open_shop(settings: Mapping[str, Any]) -> Shop:
    """The shop of an environment's settings, with the shop's own reward."""
    named = {name: value for name, value in settings.items() if name in OF_SHOPS}
    return Shop(named.pop("catalogue", None), **named)


OF_SHOPS = (
    "catalogue",
    "instructions",
    "reward",
    "goal_seed",
    "split",
    "split_by",
    "goals_per_product",
)


def judged_purchases(
    shop: Shop, goals: Sequence[int] | None = None, hits: int = 3, seed: int = 0
) -> list[JudgedPurchase]:
    """Purchases for goals, each with the shop's reward.

    For each goal: the product it was made from with the best options, with one value exchanged and
    with none; the first hit of the search for the instruction and ``hits`` others of the first
    twenty, with the values that the instruction names, or one in four times random ones; and any
    product. Purchases that turn out alike are there once.

    Args:
        shop: whose goals, pages and reward.
        goals: indices of goals; None for all.
        hits: other hits for a goal.
        seed: draws products and values.
    """
    rng = np.random.default_rng([seed, 77])
    chosen = range(len(shop.goals)) if goals is None else goals
    judged = []
    for index in track(chosen, "purchases", len(chosen)):
        goal, known = shop.goals[index], set()
        for kind, row, options in _bought(shop, goal, hits, rng):
            key = row, tuple(sorted(options.items()))
            if key not in known:
                known.add(key)
                product, price = shop.inventory.catalogue[row], float(shop.prices[row])
                purchase = Purchase(product, options, price)
                reward = shop.rule(goal, purchase).reward
                judged.append(JudgedPurchase(goal.instruction, purchase, reward, kind, goal.asin))
    return judged


def rollout_purchases(
    rollouts: Sequence[Rollout], settings: Mapping[str, Any]
) -> list[JudgedPurchase]:
    """What rollouts bought, one for each that bought anything, with the shop's reward.

    Args:
        rollouts: of any agent, or of people.
        settings: arguments of the environment that they were collected with.
    """
    crowd = ShopPool(settings, "url", "text")
    session, judged = crowd.envs[0].unwrapped.shopper.session, []  # type: ignore[attr-defined]
    for rollout in rollouts:
        crowd.begin(0, rollout.goal)
        for action in rollout.actions:
            bought = session.purchase if action == BUY and session.page.is_item else None
            if crowd.step(0, action).ended:
                break
        if session.verdict is not None and bought is not None:
            goal, reward = session.goal, session.verdict.reward
            judged.append(JudgedPurchase(goal.instruction, bought, reward, "rollout", goal.asin))
    return judged


def _bought(
    shop: Shop, goal: Goal, hits: int, rng: np.random.Generator
) -> list[tuple[str, int, dict[str, str]]]:
    catalogue = shop.inventory.catalogue
    product = catalogue[goal.row]
    best = best_options(goal, product)
    bought = [
        ("perfect", goal.row, best),
        ("one wrong option", goal.row, _exchanged(product, best, rng)),
        ("no options", goal.row, {}),
    ]
    found = shop.pages.hits(shop.suggestions.of(goal.instruction)[0])[:20].tolist()
    others = rng.permutation(found[1:])[:hits].tolist()
    rows = [("first hit", row) for row in found[:1]] + [("other hit", row) for row in others]
    for kind, row in [*rows, ("any product", int(rng.integers(len(catalogue))))]:
        copied = kind == "first hit" or rng.random() < 0.75
        options = (_named if copied else _random)(catalogue[row], goal.instruction, rng)
        bought.append((kind, row, options))
    return bought


def _exchanged(
    product: Product, options: Mapping[str, str], rng: np.random.Generator
) -> dict[str, str]:
    """The options with another value for one of them, where the product has another."""
    open_ = [name for name in options if len(set(product.options.get(name, ()))) > 1]
    if not open_:
        return dict(options)
    name = open_[int(rng.integers(len(open_)))]
    others = [value for value in product.options[name] if value != options[name]]
    return {**options, name: others[int(rng.integers(len(others)))]}


def _named(product: Product, instruction: str, rng: np.random.Generator) -> dict[str, str]:
    """The values that an instruction asks for, by name or as a phrase."""
    options, asked = product.options, parse_instruction(instruction).options
    named = {name: value for name, value in asked.items() if value in options.get(name, ())}
    said = phrases_within(options, instruction)
    # in the order of the product's options, which the model reads
    chosen = {name: named.get(name, said.get(name)) for name in options}
    return {name: value for name, value in chosen.items() if value is not None}


def _random(product: Product, instruction: str, rng: np.random.Generator) -> dict[str, str]:
    return {
        name: values[int(rng.integers(len(values)))]
        for name, values in product.options.items()
        if values
    }
