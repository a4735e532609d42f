"""What is asked of ratings, events and order: a right result, or one error of ours in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.data import load
from llmrec_env.data.order import check_order
from llmrec_env.data.read_options import ReadOptions

pytestmark = pytest.mark.core
OFTEN = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
EVENTS = ("view", "purchase", "glimpse", "View ", "buy")
rows = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(-10, 10), st.sampled_from(EVENTS)),
    min_size=1,
    max_size=12,
)
odd = st.one_of(
    st.none(), st.booleans(), st.floats(), st.integers(), st.text(max_size=4), st.just(object())
)
liked = st.one_of(st.integers(-11, 11), odd, st.just(lambda ratings: ratings > 0), st.just(len))
only = st.one_of(st.none(), st.lists(st.sampled_from((*EVENTS, "sneeze")), max_size=3))
meant = st.dictionaries(
    st.sampled_from((*EVENTS, "sneeze")),
    st.one_of(st.sampled_from(["click", "purchase", "drop", "x"]), st.floats(), st.none()),
    max_size=3,
)


def write(folder: Path, table: list[tuple[int, int, int, str]]) -> None:
    lines = [f"u{u},i{i},{r},{e},{t}" for t, (u, i, r, e) in enumerate(table)]
    text = "\n".join(["user_id,item_id,rating,event,time", *lines]) + "\n"
    (folder / "interactions.csv").write_text(text, encoding="utf-8")


def asked(door: Callable[..., Any], *given: Any, **options: Any) -> tuple[Any, str]:
    """What a door gives, or None and the words with which it refuses."""
    try:
        return door(*given, **options), ""
    except LLMRecError as error:
        return None, str(error)


@OFTEN
@given(rows, liked, only, meant, st.sampled_from([None, "file", "shuffled", "best", 1]))
def test_any_question_gets_takes_or_one_line(
    tmp_path: Path,
    table: list[tuple[int, int, int, str]],
    liked: Any,
    only: list[str] | None,
    meant: dict[str, Any],
    order: Any,
) -> None:
    write(tmp_path, table)
    log, refusal = asked(load, tmp_path, liked=liked, only_events=only, events=meant, order=order)
    if log is None:
        assert "\n" not in refusal
        return
    assert 1 <= len(log) <= len(table)
    if isinstance(liked, int | float) and not isinstance(liked, bool):
        assert log.feedback["rating"].min() >= liked
        count = sum(r >= liked for *_, r, _ in table)
        assert len(log) <= count
    left = {name for name, what in meant.items() if what == "drop"}
    assert not left & set(log.feedback["event"])
    check_order(log, "the log")


@OFTEN
@given(rows, st.integers(-10, 10))
def test_what_is_liked_is_what_a_loop_keeps(
    tmp_path: Path, table: list[tuple[int, int, int, str]], least: int
) -> None:
    known = [(u, i, r, "view") for u, i, r, _ in table]
    write(tmp_path, known)
    kept = [(f"u{u}", f"i{i}") for u, i, r, _ in known if r >= least]
    if not kept:
        with pytest.raises(DataError, match="is liked"):
            load(tmp_path, liked=least)
        return
    log = load(tmp_path, liked=least)
    assert sorted(log.to_table().select("user_id", "item_id").iter_rows()) == sorted(kept)
    assert np.array_equal(np.sort(log.lengths)[::-1], sorted(log.lengths, reverse=True))


@OFTEN
@given(
    st.lists(st.text(max_size=8), max_size=3),
    st.lists(st.text(max_size=8), max_size=3),
    st.one_of(st.none(), st.text(max_size=8)),
)
def test_any_words_of_the_command_line_are_options_or_one_line(
    event: list[str], column: list[str], order: str | None
) -> None:
    options, refusal = asked(ReadOptions, event=tuple(event), column=tuple(column), order=order)
    if options is None:
        assert "\n" not in refusal
        return
    assert set(options.keywords) <= {"events", "columns", "order"}
