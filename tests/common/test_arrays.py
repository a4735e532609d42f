"""Sorting by counting gives what numpy's stable sort gives."""

from __future__ import annotations

import numpy as np
import pytest

from llmrec_env.common.arrays import stable_order

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 1),
        (0, 5),
        (-9, 70_000),
        (1_500_000_000, 1_600_000_000),
        (0, 1 << 40),
        (-(1 << 62), 1 << 62),
    ],
)
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_equal_to_numpys_stable_sort(low, high, dtype):
    keys = np.random.default_rng(0).integers(low, high, size=1_000).astype(dtype)
    assert (stable_order(keys) == np.argsort(keys, kind="stable")).all()


def test_nothing_is_in_order():
    assert stable_order(np.empty(0, dtype=np.int64)).shape == (0,)


def test_narrow_numbers_do_not_overflow():
    keys = np.array([127, -128, 0, 127], dtype=np.int8)
    assert stable_order(keys).tolist() == [1, 2, 0, 3]
