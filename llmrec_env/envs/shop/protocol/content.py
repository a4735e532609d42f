"""Hashes of what a protocol is about: a catalogue's products, and the goals made from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from llmrec_env.envs.shop.catalogue.products import LISTS, WORDS, ProductCatalogue
from llmrec_env.envs.shop.goals import Goal

TEXTS = ("name", "description", "bullet", "instruction", "words")
NUMBERS = ("price_low", "price_high", "rating")
DIGITS = 12
"""Significant digits of a number in a hash: the last ones depend on the order of a sum."""
WHITE_SPACE = b" \t\r\n\v\f"
CHUNK = 1 << 20
TYPES = {"i": "<i8", "f": "<f8"}
"""As which numbers are hashed, so that a narrower column changes nothing."""


@lru_cache(maxsize=4)
def catalogue_hash(catalogue: ProductCatalogue) -> str:
    """The SHA-256 of all that its products say, 64 hex digits.

    White space does not count, of which copies of a public file have more or less; nor do
    instructions of people, nor where the products were read from.
    """
    arrays = catalogue.arrays
    names = ["asin", *NUMBERS, *WORDS, "bullets.starts"]
    names += [f"{own}.{part}" for own in LISTS for part in ("values", "starts")]
    digest = hashlib.sha256()
    for name in sorted(names):
        values = np.ascontiguousarray(arrays[name])
        plain = values.astype(TYPES.get(values.dtype.kind, values.dtype), copy=False)
        digest.update(f"{name}|{plain.dtype.str}|{len(plain)}|".encode())
        digest.update(plain.tobytes())
    for name in TEXTS:
        digest.update(f"{name}|".encode())
        data = arrays[f"{name}.data"]
        for start in range(0, len(data), CHUNK):
            digest.update(data[start : start + CHUNK].tobytes().translate(None, WHITE_SPACE))
    return digest.hexdigest()


def goals_hash(goals: Sequence[Goal]) -> str:
    """The SHA-256 of goals in their order, 64 hex digits: texts, answers, limits and weights."""
    digest = hashlib.sha256()
    for goal in goals:
        options = goal.options
        said: list[Any] = [goal.asin.upper(), goal.instruction, list(goal.attributes)]
        said.append(sorted(options.items()) if isinstance(options, dict) else list(options))
        numbers = (goal.price_lower, goal.price_upper, goal.rating_lower, goal.weight)
        said += [f"{number:.{DIGITS}g}" for number in numbers]
        digest.update(json.dumps(said, ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()


def text_hash(value: Any) -> str:
    """The SHA-256 of a JSON value, 64 hex digits; the order of keys does not count."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
