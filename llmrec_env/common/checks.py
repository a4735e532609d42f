"""Checks of what callers pass: whole numbers, counts, others, indices, and the kind of a thing."""

from __future__ import annotations

import math
from contextlib import suppress
from numbers import Integral, Real
from typing import Any

import numpy as np

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError, LLMRecError, SettingError
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


def check_indices(
    name: str, values: Any, count: int, mend: str = "", error: type[LLMRecError] = DataError
) -> IntArray:
    """Whole numbers in [0, count), as int64 of the shape that they have; none at all will do too.

    Args:
        name: what they are, in the plural.
        values: an array, or lists of numbers.
        count: how many there are to choose from.
        mend: where the indices come from, for the error.
        error: its kind.

    Raises:
        LLMRecError: of that kind; a value is no whole number (texts, True and 1.0 are none), lies
            outside, or rows are of unequal length.
    """
    found: Any = None
    with suppress(ValueError, TypeError, OverflowError):
        found = np.asarray(values)
    whole = found is not None and (found.dtype.kind in "iu" or found.size == 0)
    if not whole or (found.size and not 0 <= found.min() <= found.max() < count):
        hint = f" ({mend})" if mend else ""
        raise error(f"{name} must be whole numbers in [0, {count}), got {shown(values)}{hint}")
    indices: IntArray = found.astype(np.int64, copy=False)
    return indices


def check_kind(name: str, value: Any, kind: type, mend: str = "") -> None:
    """Refuse what is not of a kind.

    Args:
        name: what it is.
        value: what was given.
        kind: the class that it must be of.
        mend: where one comes from, for the error.

    Raises:
        DataError: it is of another.
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        hint = f"; {mend}" if mend else ""
        raise DataError(f"{name} must be {article} {kind.__name__}, got {shown(value)}{hint}")
