"""``Purchase`` and ``Verdict``: what a reward rule is asked, and what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.shop.catalogue.products import Product
from llmrec_env.envs.shop.goals import Goal


@dataclass(frozen=True)
class Purchase:
    """What was bought: the product, the values chosen by option name, and the price in dollars."""

    product: Product
    options: Mapping[str, str]
    price: float


@dataclass(frozen=True)
class Verdict:
    """A reward and what it is made of.

    Attributes:
        reward: in [0, 1]; 1 is success.
        parts: the terms by name, each in [0, 1].
    """

    reward: float
    parts: dict[str, float]


class RewardRule(Protocol):
    """Says what a purchase is worth for a goal; a language reward model is one too."""

    def __call__(self, goal: Goal, purchase: Purchase) -> Verdict:
        """Judge a purchase."""
        ...


def check_verdict(verdict: Any, rule: RewardRule) -> Verdict:
    """The verdict of a rule, which may be one of somebody's own.

    Raises:
        SettingError: it is no verdict, its reward lies outside [0, 1], or a part is no number.
    """
    if not (
        isinstance(verdict, Verdict)
        and _is_number(verdict.reward)
        and 0.0 <= verdict.reward <= 1.0
        and all(_is_number(part) for part in verdict.parts.values())
    ):
        raise SettingError(
            f"reward: {type(rule).__name__} must give a Verdict with a reward in [0, 1] and finite "
            f"parts, got {verdict!r:.200}"
        )
    return verdict


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)
