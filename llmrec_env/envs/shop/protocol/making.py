"""Makes a protocol from a generated shop, the public files or a catalogue of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.shop.catalogue.generated import ORIGIN
from llmrec_env.envs.shop.catalogue.human_list import PRICE
from llmrec_env.envs.shop.dealing import made_goals, protocol_goals
from llmrec_env.envs.shop.goals import Goal, split_names
from llmrec_env.envs.shop.inventory import CatalogueSource, open_inventory
from llmrec_env.envs.shop.protocol.content import catalogue_hash, goals_hash
from llmrec_env.envs.shop.protocol.parts import NAMES, CatalogueRecord
from llmrec_env.envs.shop.protocol.protocol import INSTRUCTIONS, ShopProtocol
from llmrec_env.envs.shop.views.prompt import PROMPT_TOKENS

GOALS_PER_PRODUCT = 10
"""Of one product at most, where the splits share no product: else a few products are the result."""
VALIDATION, TEST = 0.1, 0.3
"""Shares of the products: a score is as sure as there are test products."""


def make_protocol(
    name: str,
    catalogue: CatalogueSource = None,
    *,
    about: str = "",
    instructions: str = "synthetic",
    reward: str = "repaired",
    split_by: str = "product",
    goals_per_product: int | None = GOALS_PER_PRODUCT,
    goal_seed: int = 0,
    held_out: tuple[float, float] = (VALIDATION, TEST),
    max_episode_steps: int = 15,
    observation: str = "prompt",
    prompt_tokens: int = PROMPT_TOKENS,
) -> ShopProtocol:
    """A protocol of these goals, dealt out.

    By product or by goal a seed shuffles them; instructions that differ in their price limit alone
    are in one split. Each split has its goals in turns, a goal a product, so that the first n test
    goals are of as many products as n goals can be. By position they stand in the published order,
    and ``held_out`` does not count.

    Args:
        name, about: what people call it, and one line on what it is.
        catalogue, instructions, reward, goals_per_product, goal_seed, max_episode_steps: as
            ``gym.make("LLMRec/Shop-v0")`` takes them.
        split_by: what the splits do not share.
        held_out: shares of the products or goals in validation and in test.
        observation, prompt_tokens: what an agent reads that is a language model.

    Raises:
        SettingError: there are too few goals, or an argument has no such value.
    """
    goal_seed = check_whole("goal_seed", goal_seed, 0)
    check_name("instructions", instructions, INSTRUCTIONS)
    if len(held_out) != 2 or min(held_out) <= 0.0 or sum(held_out) >= 1.0:
        raise SettingError(
            f"held_out must be two shares above 0 that leave something to training, got {held_out}"
        )
    products = open_inventory(catalogue).catalogue
    plain = made_goals(catalogue, instructions, reward, goal_seed, goals_per_product)
    # a limit does not make another instruction of it: who has read the one knows the other
    texts = [replace(goal, instruction=goal.instruction.split(PRICE)[0]) for goal in plain]
    dealt = split_names(texts, split_by, goal_seed, held_out)
    if "all" in dealt:
        raise SettingError(f"{len(plain)} goals are too few for three splits by {split_by}")
    of_split = {own: [i for i, split in enumerate(dealt) if split == own] for own in NAMES}
    generated = len(products) if products.facts.origin == ORIGIN else None
    known: dict[str, Any] = {
        "name": name,
        "about": about,
        "catalogue": CatalogueRecord(generated, len(products), catalogue_hash(products)),
        "instructions": instructions,
        "reward": reward,
        "goal_seed": goal_seed,
        "goals_per_product": goals_per_product,
        "split_by": split_by,
        "n_goals": len(plain),
        "goals_sha256": "",
        "max_episode_steps": max_episode_steps,
        "observation": observation,
        "prompt_tokens": prompt_tokens,
        "splits": {own: _in_order(plain, of_split[own], split_by, goal_seed) for own in NAMES},
    }
    draft = ShopProtocol(**known)
    return replace(draft, goals_sha256=goals_hash(protocol_goals(catalogue, draft)))


def _in_order(goals: Sequence[Goal], indices: list[int], by: str, seed: int) -> tuple[int, ...]:
    """The goals of a split in the order in which they are taken."""
    if by == "position":
        return tuple(sorted(indices, key=lambda index: goals[index].position or 0))
    rng = np.random.default_rng([seed, *b"order of goals"])
    turn: dict[str, int] = {}
    keyed: list[tuple[int, int, int]] = []
    for index in rng.permutation(np.array(indices, dtype=np.int64)).tolist():
        asin = goals[index].asin
        turn[asin] = turn.get(asin, -1) + 1
        keyed.append((turn[asin], len(keyed), index))
    return tuple(index for _, _, index in sorted(keyed))
