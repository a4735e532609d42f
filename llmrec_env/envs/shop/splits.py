"""Training, validation and test goals that share nothing."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.goals import Goal

SPLITS = ("train", "validation", "test", "all")
KEYS = ("goal", "product")
HELD_OUT = 0.1
"""Share of the keys in validation, and in test."""


def split_goals(goals: Sequence[Goal], split: str, by: str, seed: int = 0) -> list[int]:
    """Which goals are in a split.

    Args:
        goals: all goals.
        split: ``"train"`` (80%), ``"validation"``, ``"test"`` (10% each) or ``"all"``.
        by: ``"goal"``: no two splits have an instruction in common; ``"product"``: nor a product.
        seed: shuffles the keys before they are dealt out.

    Returns:
        Indices of goals, ascending.

    Raises:
        SettingError: no such split or key, or there are too few keys to split.
    """
    if split not in SPLITS:
        raise SettingError(f"split must be one of {SPLITS}, got {split!r}")
    if by not in KEYS:
        raise SettingError(f"split_by must be one of {KEYS}, got {by!r}")
    if split == "all":
        return list(range(len(goals)))
    texts = [goal.instruction.lower() for goal in goals]
    keys = texts if by == "goal" else _families([goal.asin for goal in goals], texts)
    different = sorted(set(keys))
    if len(different) < 3:
        raise SettingError(
            f"{len(different)} {by}s are too few for three splits: split='all' has all goals"
        )
    parts = _deal(different, by, seed)
    return [index for index, key in enumerate(keys) if parts[key] == split]


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
    n = len(keys)
    held_out = max(1, round(HELD_OUT * n))
    order = np.random.default_rng([seed, zlib.crc32(by.encode())]).permutation(n)
    names = ["test"] * held_out + ["validation"] * held_out + ["train"] * (n - 2 * held_out)
    return {keys[place]: name for place, name in zip(order, names, strict=True)}
