"""Makes goals whose instructions use other words than the products, and add distractors."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue.departments import DEPARTMENTS, OPTIONS, Kind
from llmrec_env.envs.shop.catalogue.generated import ORIGIN
from llmrec_env.envs.shop.catalogue.phrases import Phrases
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.envs.shop.goals.goal import NO_LIMIT, Goal
from llmrec_env.envs.shop.goals.sentences import DISTRACTORS, arranged, one_of
from llmrec_env.envs.shop.goals.synthetic import MAX_GOALS, PRICE_STEP, synthetic_goals

PRICES = (
    "I can spend at most {upper:.0f} dollars, and below {lower:.0f} I do not trust it.",
    "It should cost between {lower:.0f} and {upper:.0f} dollars.",
)
CEILINGS = ("I can spend at most {upper:.0f} dollars.", "Not a cent over {upper:.0f} dollars.")
RATINGS = (
    "Other buyers should have given it {stars} stars or better.",
    "I want nothing rated under {stars} stars.",
)

_KINDS: dict[str, tuple[Kind, Phrases]] = {
    kind.query: (kind, department.attributes)
    for department in DEPARTMENTS
    for kind in department.kinds
}


def limited_goals(
    catalogue: ProductCatalogue,
    prices: Float64Array,
    seed: int = 0,
    per_product: int | None = None,
    max_goals: int = MAX_GOALS,
) -> list[Goal]:
    """Goals with a range for the price and, where the product's rating allows, stars to have.

    Their instructions are plain and name no limits; :func:`paraphrase` writes them anew.

    Args:
        catalogue: a generated one.
        prices: what the products cost, float64 (n_products,).
        seed: draws the limits, and which goals are left out.
        per_product: at most so many goals of one product; None for all.
        max_goals: at most so many in all.

    Raises:
        SettingError: the catalogue is not a generated one, so nobody knows other words for it.
    """
    if catalogue.facts.origin != ORIGIN:
        raise SettingError(
            'instructions="paraphrased" is for generated catalogues, whose words are known; '
            f"this one comes from {catalogue.facts.origin}"
        )
    rng = np.random.default_rng([seed, *b"paraphrased limits"])
    goals = []
    for goal in synthetic_goals(catalogue, prices, seed, per_product, max_goals):
        steps = int(prices[goal.row] // PRICE_STEP)
        lower = PRICE_STEP * int(rng.integers(0, steps + 1))
        stars = _stars(float(catalogue.ratings[goal.row]), rng)
        goals.append(replace(goal, price_lower=lower, rating_lower=stars))
    return goals


def paraphrase(goals: Sequence[Goal], splits: Sequence[str], seed: int = 0) -> list[Goal]:
    """The goals with instructions in other words than the products have, and distractors.

    Each instruction also names an option value that is not wanted, and the limits. Of the six other
    words for a value three are for training goals, one for validation and two for test goals: see
    :func:`phrases_of`. The sentences around them are those of all splits:
    :mod:`llmrec_env.envs.shop.goals.sentences`.

    Args:
        goals: of a generated catalogue.
        splits: the split of each goal; ``"all"`` is as ``"train"``.
        seed: draws the words, and which of them are held out.
    """
    rng = np.random.default_rng([seed, *b"paraphrases"])
    return [
        replace(goal, instruction=_instruction(goal, split, seed, rng))
        for goal, split in zip(goals, splits, strict=True)
    ]


@lru_cache(maxsize=4096)
def phrases_of(phrases: tuple[str, ...], split: str, seed: int) -> tuple[str, ...]:
    """Which of the other words for one value the goals of a split use.

    The seed shuffles them: the first two are for test goals, the third for validation goals, and
    the rest for training.
    """
    rng = np.random.default_rng([seed, zlib.crc32("|".join(phrases).encode())])
    shuffled = tuple(phrases[place] for place in rng.permutation(len(phrases)).tolist())
    return {"test": shuffled[:2], "validation": shuffled[2:3]}.get(split, shuffled[3:])


def _stars(rating: float, rng: np.random.Generator) -> float:
    """A bound that the product meets, in half stars; 0 where it has under 3.5."""
    if rating < 3.5:
        return 0.0
    return 0.5 * int(rng.integers(7, int(2 * rating) + 1))


def _instruction(goal: Goal, split: str, seed: int, rng: np.random.Generator) -> str:
    kind, attributes = _KINDS[goal.query]
    values = dict(OPTIONS[key] for key in kind.options)
    assert isinstance(goal.options, dict)  # made from the options of a product
    wanted = [attributes[attribute] for attribute in goal.attributes]
    wanted += [values[name][value] for name, value in goal.options.items()]
    phrases = [one_of(phrases_of(others, split, seed), rng) for others in wanted]
    rng.shuffle(phrases)
    first, *sentences = arranged(phrases, goal.query, rng)
    others = [v for name, value in goal.options.items() for v in values[name] if v != value]
    if others:
        other = f"one in {one_of(tuple(others), rng)}"
        sentences.append(one_of(DISTRACTORS, rng).format(other=other))
    sentences += _limits(goal, rng)
    order = rng.permutation(len(sentences)).tolist()
    return " ".join([first, *(sentences[place] for place in order)])


def _limits(goal: Goal, rng: np.random.Generator) -> list[str]:
    """What is said of price and stars, a sentence each."""
    lower, upper, sentences = goal.price_lower, goal.price_upper, []
    if upper < NO_LIMIT:
        forms = PRICES if lower > 0.0 else CEILINGS
        sentences.append(one_of(forms, rng).format(lower=lower, upper=upper))
    elif lower > 0.0:
        sentences.append(f"It should cost {lower:.0f} dollars or more.")
    if goal.rating_lower > 0.0:
        sentences.append(one_of(RATINGS, rng).format(stars=f"{goal.rating_lower:.1f}"))
    return sentences
