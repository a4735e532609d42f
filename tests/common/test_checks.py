"""The checks of numbers that callers pass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from llmrec_env.common.checks import check_counts, check_number, check_whole
from llmrec_env.common.errors import SettingError

pytestmark = pytest.mark.core


@pytest.mark.parametrize("value", [0, -3.5, np.float32(0.25), np.int64(4)])
def test_a_number_comes_back_as_a_float(value: Any) -> None:
    number = check_number("weight", value)
    assert type(number) is float
    assert number == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", None, True, 1j, 10**400])
def test_what_is_no_finite_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(SettingError, match=r"^weight must be a finite number, got .*$"):
        check_number("weight", value)


def test_a_number_below_its_bound_is_refused() -> None:
    assert check_number("penalty", 0.0, 0.0) == 0.0
    with pytest.raises(SettingError, match=r"penalty must be .* of at least 0, got -1"):
        check_number("penalty", -1, 0.0)


def test_a_whole_number_of_numpy_is_one_and_true_is_none() -> None:
    assert type(check_whole("seed", np.int64(3), 0)) is int
    for value in (True, 1.0, "1", -1, 4):
        with pytest.raises(SettingError, match=r"seed must be a whole number in \[0, 3\]"):
            check_whole("seed", value, 0, 3)


def test_counts_have_a_largest() -> None:
    check_counts(rows=1)
    with pytest.raises(SettingError, match="rows must be at most 100,000,000, got 100000001"):
        check_counts(rows=100_000_001)
    with pytest.raises(SettingError, match="rows must be a whole number of at least 1, got 0"):
        check_counts(rows=0)
