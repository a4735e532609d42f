"""Checks of what callers pass to the shop: whole numbers and amounts."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from llmrec_env.common.errors import SettingError


def check_whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """A whole number within bounds, as int; numpy's are whole numbers too, True and 1.0 are not.

    Raises:
        SettingError: it is none, or out of bounds.
    """
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not fits or value < low or (high is not None and value > high):
        bounds = f"of at least {low}" if high is None else f"in [{low}, {high}]"
        raise SettingError(f"{name} must be a whole number {bounds}, got {value!r:.80}")
    return int(value)


def check_amount(name: str, value: Any) -> float:
    """A finite number of at least 0, as float.

    Raises:
        SettingError: it is none: nan and inf, a text, True, or below 0.
    """
    fits = isinstance(value, Real) and not isinstance(value, bool)
    if not fits or not math.isfinite(value) or value < 0.0:
        raise SettingError(f"{name} must be a finite number of at least 0, got {value!r:.80}")
    return float(value)
