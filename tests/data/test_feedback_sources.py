"""One door for ratings, likes, play counts and events, and a rule to likings that is a choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tables import histories, write

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data import Catalogue, InteractionLog, load
from llmrec_env.data.feedback import FeedbackScale, source_of, told
from llmrec_env.data.feedback_rules import _REGISTERED, FeedbackRule, register_feedback_rule

pytestmark = pytest.mark.core

SHOP = (
    "user_id,item_id,time,event\n"
    "u,a,1,view\nu,b,2,purchase\nu,c,3,view\nv,a,1,view\nv,c,2,cart\nv,b,3,view\n"
)
THUMBS = "user_id,item_id,time,thumbs_up\nu,a,1,1\nu,b,2,-1\nu,c,3,0\nv,a,1,1\nv,b,2,\n"


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Rules that a test registers are forgotten after it."""
    before = dict(_REGISTERED)
    yield
    _REGISTERED.clear()
    _REGISTERED.update(before)


def read(folder: Path, text: str, **options: Any) -> InteractionLog:
    return load(write(folder, {"interactions.csv": text}), shuffle_seed=None, **options)


def scale_of(log: InteractionLog, *options: Any) -> FeedbackScale:
    scale = FeedbackScale.of(log, *options)
    assert scale is not None
    return scale


def test_likes_and_dislikes_are_both_taken(tmp_path: Path) -> None:
    log = read(tmp_path, THUMBS)
    assert histories(log) == {"u": ["a", "b", "c"], "v": ["a", "b"]}
    assert_array_equal(told(log, "liked"), [1, 0, np.nan, 1, np.nan])
    assert "2 of 5 interactions were liked, 1 disliked; all count as taken" in log.reading.events
    assert log.skips is None
    likings = scale_of(log).likings(log)
    assert likings[0] > 0.5 > likings[1]
    assert_array_equal(np.isnan(likings), np.isnan(told(log, "liked")))


@pytest.mark.parametrize("words", [("like", "dislike"), ("True", "False"), ("up", "down"), "10"])
def test_liking_is_said_in_words_too(tmp_path: Path, words: tuple[str, str]) -> None:
    log = read(tmp_path, f"user_id,item_id,liked\nu,a,{words[0]}\nu,b,{words[1]}\n")
    assert told(log, "liked").tolist() == [1, 0]


def test_what_was_shown_taken_and_liked_are_told_apart(tmp_path: Path) -> None:
    rows = "u,a,1,1\nu,b,0,0\nu,c,1,0\nu,d,0,0\n"
    log = read(tmp_path, f"user_id,item_id,is_click,is_like\n{rows}", keep_unseen_items=True)
    assert histories(log) == {"u": ["a", "c"]}
    assert told(log, "liked").tolist() == [1, 0]
    assert log.skips_of(0)[1].tolist() == [1, 2]
    alone = read(tmp_path / "like", "user_id,item_id,is_like\nu,a,1\nu,b,0\n")
    assert len(alone) == 2
    asked = load(tmp_path / "like", columns={"label": "is_like", "liked": None})
    assert len(asked) == 1


def test_a_word_that_says_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"liked of row 2 is 'maybe'.*columns="):
        read(tmp_path, "user_id,item_id,liked\nu,a,1\nu,b,maybe\n")


def test_a_log_by_hand_and_one_saved_have_likes(tmp_path: Path) -> None:
    log = read(tmp_path, THUMBS)
    table = log.to_table().with_columns(pl.Series("liked", [True, False, None, True, None]))
    by_hand = InteractionLog.from_table(log.catalogue, table)
    log.save(tmp_path / "log.parquet")
    for again in (by_hand, InteractionLog.load(tmp_path / "log.parquet", log.catalogue)):
        assert_array_equal(told(again, "liked"), told(log, "liked"))


def test_events_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    log = read(tmp_path, SHOP)
    assert source_of(log) is None
    assert FeedbackScale.of(log) is None
    assert_allclose(told(log, "event"), [0.2, 1, 0.2, 0.2, 1, 0.2])
    scale = scale_of(log, "event")
    likings = scale.likings(log)
    assert (likings[[1, 4]] > 0.6).all()
    assert (likings[[0, 2, 3, 5]] < 0.5).all()
    assert_allclose(scale.scaled(told(log, "event")), scale.values(log))


def test_rewards_of_the_callers_own_are_strengths_and_are_saved(tmp_path: Path) -> None:
    log = read(tmp_path, SHOP, events={"cart": 0.6, "view": 0.0})
    strengths = [0, 1, 0, 0, 0.6, 0]
    assert_allclose(told(log, "event"), strengths)
    log.save(tmp_path / "log.parquet")
    again = InteractionLog.load(tmp_path / "log.parquet", log.catalogue)
    assert_allclose(told(again, "event"), strengths)


def test_events_of_no_known_kind_say_nothing() -> None:
    table = pl.DataFrame(
        {"user_id": ["u"] * 3, "item_id": ["a"] * 3, "event": ["view", "glimpse", "buy"]}
    )
    log = InteractionLog.from_table(Catalogue(pl.DataFrame({"item_id": ["a"]})), table)
    assert_allclose(told(log, "event"), [0.2, np.nan, 1])


@pytest.mark.parametrize(
    ("column", "values"),
    [("rating", "444"), ("weight", "222"), ("liked", "111"), ("event", ["view"] * 3)],
)
def test_what_is_all_the_same_tells_nothing(tmp_path: Path, column: str, values: str) -> None:
    rows = "".join(f"u,{item},{value}\n" for item, value in zip("abc", values, strict=True))
    log = read(tmp_path, f"user_id,item_id,{column}\n{rows}")
    assert FeedbackScale.of(log) is None
    with pytest.raises(DataError, match=f"column {column!r} differs.*no feedback"):
        FeedbackScale.of(log, column)  # type: ignore[arg-type]


def test_of_several_the_surest_is_read_unless_another_is_asked_for(tmp_path: Path) -> None:
    rows = "u,a,5,1,view,10\nu,b,1,0,purchase,1\nu,c,3,1,view,7\n"
    log = read(tmp_path, f"user_id,item_id,rating,liked,event,weight\n{rows}")
    assert source_of(log) == "rating"
    found = {source: scale_of(log, source).values(log) for source in ("liked", "weight", "event")}
    assert found["liked"].argmin() == 1
    assert found["weight"].argmin() == 1
    assert found["event"].argmax() == 1


def rank(values: FloatArray) -> FloatArray:
    """The share of a user's values below each."""
    return (values[:, None] > values[None]).mean(1)


def test_a_rule_of_ones_own_takes_the_place_of_the_usual(tmp_path: Path) -> None:
    register_feedback_rule("rank")(rank)
    log = read(tmp_path, "user_id,item_id,rating\nu,a,5\nu,b,1\nu,c,3\nv,a,2\n")
    for rule in ("rank", rank):
        scale = scale_of(log, None, FeedbackRule.of(rule))
        assert_allclose(scale.likings(log), [2 / 3, 0, 1 / 3, 0], atol=1e-6)
        z = scale.within_users(log)
        assert z[0] > z[2] > z[1]
        assert np.isfinite(z).all()
        assert FeedbackScale.from_json(asdict(scale)) == scale


def test_a_rule_with_settings_is_kept_with_them(tmp_path: Path) -> None:
    @register_feedback_rule("at least")
    @dataclass(frozen=True)
    class AtLeast:
        stars: float = 4.0
        per_user = False

        def __call__(self, values: FloatArray) -> Any:
            return values >= self.stars

    log = read(tmp_path, "user_id,item_id,rating\nu,a,5\nu,b,1\nu,c,3\nv,a,2\n")
    scale = scale_of(log, "rating", FeedbackRule.of(AtLeast(3.0)))
    assert scale.likings(log).tolist() == [1, 0, 1, 0]
    assert not scale.per_user
    kept = asdict(scale)
    assert kept["rule"] == {"name": "at least", "settings": {"stars": 3.0}}
    assert FeedbackScale.from_json(kept) == scale
    with pytest.raises(SettingError, match="does not take the settings"):
        FeedbackRule("at least", {"points": 3})
    with pytest.raises(SettingError, match="plain JSON values"):
        FeedbackRule.of(AtLeast(float("nan")))


def test_a_rule_that_nobody_registered_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match=r"unknown feedback rule 'mine'; known are normal"):
        FeedbackScale.from_json({"source": "rating", "rule": {"name": "mine", "settings": {}}})
    with pytest.raises(SettingError, match="register it with register_feedback_rule"):
        FeedbackRule.of(rank)
    for name in ("normal", ""):
        with pytest.raises(SettingError, match="a name of its own"):
            register_feedback_rule(name)
    with pytest.raises(SettingError, match="must be a function"):
        register_feedback_rule("number")(3)  # type: ignore[type-var]


@pytest.mark.parametrize(
    "rule", [lambda v: v, lambda v: v[:1] * 0, lambda v: "yes", lambda v: v * np.nan]
)
def test_likings_are_numbers_between_0_and_1(tmp_path: Path, rule: Any) -> None:
    register_feedback_rule("wrong")(rule)
    log = read(tmp_path, "user_id,item_id,rating\nu,a,5\nu,b,1\nu,c,3\n")
    with pytest.raises(SettingError, match="'wrong' must give a number in"):
        scale_of(log, None, FeedbackRule("wrong")).likings(log)
