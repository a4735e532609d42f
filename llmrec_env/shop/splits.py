"""Training, validation and test goals that share nothing."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from llmrec_env.common.errors import SettingError
from llmrec_env.shop.goals import Goal

SPLITS = ("train", "validation", "test", "all")
KEYS: dict[str, Callable[[Goal], str]] = {
    "goal": lambda goal: goal.instruction.lower(),
    "product": lambda goal: goal.asin,
}
"""What goals of two splits must not share: the instruction, or the product."""
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
        raise SettingError(f"split_by must be one of {tuple(KEYS)}, got {by!r}")
    if split == "all":
        return list(range(len(goals)))
    keys = [KEYS[by](goal) for goal in goals]
    different = sorted(set(keys))
    if len(different) < 3:
        raise SettingError(
            f"{len(different)} {by}s are too few for three splits: split='all' has all goals"
        )
    parts = _deal(different, by, seed)
    return [index for index, key in enumerate(keys) if parts[key] == split]


def _deal(keys: list[str], by: str, seed: int) -> dict[str, str]:
    n = len(keys)
    held_out = max(1, round(HELD_OUT * n))
    order = np.random.default_rng([seed, zlib.crc32(by.encode())]).permutation(n)
    names = ["test"] * held_out + ["validation"] * held_out + ["train"] * (n - 2 * held_out)
    return {keys[place]: name for place, name in zip(order, names, strict=True)}
