"""Checks of the numbers that callers pass: whole ones, counts and others."""

from __future__ import annotations

import math
from contextlib import suppress
from numbers import Integral, Real
from typing import Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.wording import shown

LARGEST = 100_000_000
"""Rows, or items of a history, at most: each takes memory."""
ENDLESS = 2**62
"""The largest of counts that take no memory, such as patience: no episode uses it up."""


def check_whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """A whole number within bounds, as int; numpy's are whole numbers too, True and 1.0 are not.

    Raises:
        SettingError: it is none, or out of bounds.
    """
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not fits or value < low or (high is not None and value > high):
        bounds = f"of at least {low}" if high is None else f"in [{low}, {high}]"
        raise SettingError(f"{name} must be a whole number {bounds}, got {shown(value)}")
    return int(value)


def check_counts(most: int = LARGEST, least: int = 1, /, **counts: Any) -> None:
    """Refuse what is no whole number of at least ``least``, or above ``most``.

    Raises:
        SettingError: one is not.
    """
    for name, value in counts.items():
        if check_whole(name, value, least) > most:
            raise SettingError(f"{name} must be at most {most:,}, got {shown(value)}")


def check_number(name: str, value: Any, low: float = -math.inf) -> float:
    """A finite number of at least ``low``, as float; True and texts are none.

    Raises:
        SettingError: it is none.
    """
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):  # a whole number may be larger than any float
            number = float(value)
    if not math.isfinite(number) or number < low:
        bound = f" of at least {low:g}" if math.isfinite(low) else ""
        raise SettingError(f"{name} must be a finite number{bound}, got {shown(value)}")
    return number
