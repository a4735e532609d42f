"""The moving window: where reading starts, and stretches that answer every step once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import random_log

from llmrec_env.common.errors import SettingError
from llmrec_env.data.windows import Window, chunk_log

pytestmark = pytest.mark.core


@st.composite
def windows(draw: st.DrawFn) -> Window:
    size = draw(st.integers(1, 9))
    return Window(size, draw(st.integers(1, size)))


def test_the_start_moves_by_whole_blocks() -> None:
    starts = Window(size=6, block=3).start(np.arange(14))
    assert starts.tolist() == [0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 6, 6, 6, 9]


@given(window=windows(), t=st.integers(1, 200))
def test_something_is_always_read_and_never_more_than_the_window(window: Window, t: int) -> None:
    start = int(window.start(np.array(t)))
    assert 1 <= t - start <= window.size
    assert start % window.block == 0
    assert t <= window.size or t - start > window.size - window.block


@given(window=windows(), lengths=st.lists(st.integers(0, 23), min_size=1, max_size=5))
def test_chunks_answer_every_step_once_from_its_own_start(
    window: Window, lengths: list[int]
) -> None:
    log = random_log(lengths)
    chunks = chunk_log(log, window)
    answered = []
    for user, start, first, last, end in zip(
        chunks.users, chunks.starts, chunks.firsts, chunks.lasts, chunks.ends, strict=True
    ):
        steps = np.arange(first, last + 1)
        answered += [(int(user), int(t)) for t in steps]
        assert (window.start(steps) == start).all()
        # one item past the last step is read where there is one: its reward is told there
        assert end == min(last + 1, lengths[user])
    assert answered == [(u, t) for u, n in enumerate(lengths) for t in range(1, n + 1)]


@pytest.mark.parametrize(("size", "block"), [(4, 5), (4, 0), (0, 0)])
def test_a_block_outside_the_window_is_refused(size: int, block: int) -> None:
    with pytest.raises(SettingError, match="between 1 and the window's size"):
        Window(size, block)
