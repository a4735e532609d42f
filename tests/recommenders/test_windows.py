"""Windows over long histories."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.windows import WindowBatches, Windows, last_window
from llmrec_env.data.windows import Window

pytestmark = pytest.mark.core

lengths_of_users = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@given(lengths_of_users, st.integers(1, 9))
def test_every_state_with_a_next_item_is_owned_once(lengths: list[int], max_length: int) -> None:
    items = np.arange(sum(lengths))  # each item names its row
    windows = Windows.over(np.array(lengths), max_length)
    last_rows = np.cumsum(lengths) - 1
    expected = np.setdiff1d(items, last_rows)
    if not len(windows):
        assert len(expected) == 0
        return
    batch = windows.batch(items, np.arange(len(windows)), padding=-1)
    assert batch.rows.tolist() == expected.tolist()
    assert batch.items[batch.owned].tolist() == batch.rows.tolist()
    after = batch.items[np.roll(batch.owned, 1, axis=1)]
    assert after.tolist() == (batch.rows + 1).tolist()
    assert windows.n_states == len(expected)


@given(lengths_of_users, st.integers(1, 9))
def test_learning_and_serving_read_the_same_items(lengths: list[int], max_length: int) -> None:
    items = np.arange(sum(lengths))
    windows = Windows.over(np.array(lengths), max_length)
    starts = np.cumsum(lengths) - lengths
    for window in range(len(windows)):
        batch = windows.batch(items, np.array([window]), padding=-1)
        for place in np.flatnonzero(batch.owned[0]):
            row = batch.items[0, place]
            first = starts[np.searchsorted(starts, row, side="right") - 1]
            served = last_window([items[first : row + 1]], max_length, padding=-1)
            assert served[0].tolist() == batch.items[0, : place + 1].tolist()
            assert len(served[0]) <= max_length


def test_the_window_moves_by_half_its_length() -> None:
    starts = Window.halving(4).start(np.arange(1, 10))
    assert starts.tolist() == [0, 0, 0, 0, 2, 2, 4, 4, 6]


@given(lengths_of_users.filter(lambda ls: max(ls) > 1), st.integers(1, 30), st.integers(0, 3))
def test_an_epoch_visits_every_window_once(lengths: list[int], size: int, seed: int) -> None:
    windows = Windows.over(np.array(lengths), max_length=6)
    batches = WindowBatches(windows, size, seed)
    for epoch in range(2):
        parts = [batches(epoch * batches.per_epoch + i) for i in range(batches.per_epoch)]
        assert min(map(len, parts)) >= 1
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(windows)))


def test_a_batch_is_a_function_of_its_step() -> None:
    windows = Windows.over(np.full(50, 6), max_length=6)
    forward, backward = (WindowBatches(windows, 20, seed=1) for _ in range(2))
    steps = range(3 * forward.per_epoch)
    first = [forward(step).tolist() for step in steps]
    second = [backward(step).tolist() for step in reversed(steps)]
    assert first == second[::-1]
    assert first[: forward.per_epoch] != first[forward.per_epoch : 2 * forward.per_epoch]
