"""Purchases with the shop's reward: training data for a language reward, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from agents.shop.rollouts import Rollout
from agents.shop.scripted import BUY
from agents.shop.shop_pool import ShopPool
from llmrec_env.common.errors import SettingError
from llmrec_env.common.progress import track
from llmrec_env.envs.shop.catalogue.products import Product
from llmrec_env.envs.shop.goals import Goal
from llmrec_env.envs.shop.reward import Purchase, best_options
from llmrec_env.envs.shop.shop import Shop
from llmrec_env.envs.shop.views.instruction_parser import parse_instruction
from llmrec_env.envs.shop.words import phrases_within
from llmrec_env.evaluation.fidelity import spearman

KINDS = ("perfect", "one wrong option", "no options", "first hit", "other hit", "any product")
"""What is bought for a goal: see :func:`judged_purchases`."""


@dataclass(frozen=True)
class JudgedPurchase:
    """A purchase and the reward that the shop gives for it.

    Attributes:
        instruction: what the shopper read; purchase: what was bought.
        reward: in [0, 1].
        kind: one of ``KINDS``, or ``"rollout"``; asin: the product that the goal was made from.
    """

    instruction: str
    purchase: Purchase
    reward: float
    kind: str
    asin: str


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
    pool = ShopPool(settings, "url", "text")
    session, judged = pool.envs[0].unwrapped.shopper.session, []  # type: ignore[attr-defined]
    for rollout in rollouts:
        pool.begin(0, rollout.goal)
        for action in rollout.actions:
            bought = session.purchase if action == BUY and session.page.is_item else None
            if pool.step(0, action).ended:
                break
        if session.verdict is not None and bought is not None:
            goal, reward = session.goal, session.verdict.reward
            judged.append(JudgedPurchase(goal.instruction, bought, reward, "rollout", goal.asin))
    return judged


@dataclass(frozen=True)
class Agreement:
    """How scores of purchases agree with the shop's reward.

    Attributes:
        spearman: rank correlation over all purchases.
        auc: probability that a success (a reward of 1) scores above another purchase; ties half.
        pairs: share of two purchases for one instruction, with different rewards, that stand in the
            right order; ties half.
        n: purchases; n_success: of them, successes.
    """

    spearman: float
    auc: float
    pairs: float
    n: int
    n_success: int


def success_threshold(
    predicted: NDArray[np.floating[Any]], rewards: NDArray[np.floating[Any]], precision: float
) -> tuple[float | None, dict[str, float]]:
    """The lowest prediction above which at least ``precision`` of the purchases are successes.

    Args:
        predicted: (N,), probabilities of success, rewards: (N,), of validation purchases.
        precision: in (0, 1].

    Returns:
        The threshold, or None where no prediction is that certain; and the precision and recall
        that it has on these purchases.
    """
    if not 0.0 < precision <= 1.0:
        raise SettingError(f"precision must lie in (0, 1], got {precision!r}")
    order = np.argsort(-predicted.astype(np.float64), kind="stable")
    ranked, right = predicted[order], (rewards[order] == 1.0).cumsum()
    share = right / np.arange(1, len(right) + 1)
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal predictions stand or fall together
    good = np.flatnonzero(last & (share >= precision) & (ranked > 0.0))
    if not len(good):
        return None, {"precision": 0.0, "recall": 0.0}
    place = int(good[-1])
    recall = float(right[place] / max(1, right[-1]))
    return float(ranked[place]), {"precision": float(share[place]), "recall": recall}


def agreement(
    scores: NDArray[np.generic],
    judged: Sequence[JudgedPurchase],
    successes: NDArray[np.generic] | None = None,
) -> Agreement:
    """How any scores of purchases agree with the shop's reward.

    Args:
        scores: (N,), high for a high reward.
        judged: the purchases.
        successes: (N,), high for a success, where they are not the same.
    """
    frame = pl.DataFrame(
        {
            "score": np.asarray(scores, dtype=np.float64),
            "reward": [one.reward for one in judged],
            "goal": [one.instruction for one in judged],
        }
    )
    success = (frame["reward"] == 1.0).to_numpy()
    n, n_success = len(frame), int(success.sum())
    chances = pl.Series(np.asarray(scores if successes is None else successes, dtype=np.float64))
    ranks = chances.rank().to_numpy()  # ties share their mean rank
    above = ranks[success].sum() - n_success * (n_success + 1) / 2
    frame = frame.with_row_index("row")
    pairs = frame.join(frame, on="goal").filter(pl.col("reward") > pl.col("reward_right"))
    order = (pairs["score"] - pairs["score_right"]).sign().to_numpy()
    return Agreement(
        spearman=spearman(frame["score"].to_numpy(), frame["reward"].to_numpy()),
        auc=float(above / max(1, n_success * (n - n_success))),
        pairs=float((1 + order).mean() / 2) if len(order) else 0.5,
        n=n,
        n_success=n_success,
    )


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
    shown = shop.pages.hits(shop.suggestions.of(goal.instruction)[0])[:20].tolist()
    others = rng.permutation(shown[1:])[:hits].tolist()
    rows = [("first hit", row) for row in shown[:1]] + [("other hit", row) for row in others]
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
    options, parsed = product.options, parse_instruction(instruction).options
    named = {name: value for name, value in parsed.items() if value in options.get(name, ())}
    phrases = phrases_within(options, instruction)
    # in the order of the product's options, which the model reads
    chosen = {name: named.get(name, phrases.get(name)) for name in options}
    return {name: value for name, value in chosen.items() if value is not None}


def _random(product: Product, instruction: str, rng: np.random.Generator) -> dict[str, str]:
    return {
        name: values[int(rng.integers(len(values)))]
        for name, values in product.options.items()
        if values
    }
