"""Which rows of a log are takes: by their ratings, by the kinds of their events, and said so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.data import Catalogue, InteractionLog, load
from llmrec_env.data.read_options import ReadOptions
from llmrec_env.data.source import open_source
from llmrec_env.offline.transitions import transitions

pytestmark = pytest.mark.core

RATED = "user_id,item_id,rating,time\na,x,5,1\na,y,1,2\na,z,4,3\nb,x,2,1\nb,y,3,2\n"
STEAM = (
    "user_id,item_id,event,weight,time\n"
    "a,Dota,purchase,,1\na,Dota,play,12.5,2\na,Portal,purchase,,3\nb,Dota,purchase,,1\n"
)
REES46 = (
    "user_id,item_id,event,time\n"
    "a,x,view,1\na,x,cart,2\na,x,remove_from_cart,3\na,y,purchase,4\nb,y,view,1\nb,x,view,2\n"
)


def read(folder: Path, text: str, **options: object) -> InteractionLog:
    (folder / "interactions.csv").write_text(text, encoding="utf-8")
    return load(folder, shuffle_seed=None, **options)


def taken(log: InteractionLog) -> list[tuple[str, str]]:
    return list(log.to_table().select("user_id", "item_id").iter_rows())


def test_ratings_count_whatever_they_are_and_that_is_said(tmp_path: Path) -> None:
    log = read(tmp_path, RATED)
    assert len(log) == 5
    assert "ratings (1 to 5, mean 3.00)" in log.reading.ratings
    assert "every rated item counts as taken" in log.reading.ratings
    assert log.reading.ratings in log.reading.lines


@pytest.mark.parametrize("liked", [4, 4.0, np.float32(4), lambda ratings: ratings >= 4])
def test_only_what_is_liked_is_taken(tmp_path: Path, liked: float | Callable[..., object]) -> None:
    log = read(tmp_path, RATED, liked=liked)
    assert taken(log) == [("a", "x"), ("a", "z")]
    assert log.catalogue.ids == ["x", "z"]  # what nobody liked leaves with its rows
    assert "2 of 5 interactions count as taken" in log.reading.ratings
    assert "the other 3 are left out, and with them 1 users" in log.reading.ratings


@pytest.mark.parametrize(
    ("liked", "said"),
    [
        (6, "none of the 5 interactions is liked (ratings 1 to 5"),
        ("4", "liked must be a rating"),
        (float("nan"), "liked must be a rating"),
        (True, "liked must be a rating"),
        (lambda ratings: [True], "must give 5 truth values"),
        (lambda ratings: ratings.to_numpy(), "must give 5 truth values"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(tmp_path: Path, liked: object, said: str) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, RATED, liked=liked)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nobody_is_asked_for_ratings_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no ratings"):
        read(tmp_path, "user_id,item_id\na,x\n", liked=4)


def test_only_some_kinds_of_events_may_count(tmp_path: Path) -> None:
    log = read(tmp_path, REES46, only_events=["cart", "purchase"])
    assert taken(log) == [("a", "x"), ("a", "y")]
    assert "view (3) as none, left out" in log.reading.events
    with pytest.raises(DataError, match="no event 'sale'"):
        read(tmp_path, REES46, only_events=["sale"])
    odd = REES46.replace("view", "glimpse")
    assert len(read(tmp_path, odd, only_events=["glimpse"])) == 3  # naming it says that it counts


def test_an_unknown_event_is_refused_when_the_log_is_read_and_the_advice_works(
    tmp_path: Path,
) -> None:
    with pytest.raises(DataError, match="remove_from_cart") as refused:
        read(tmp_path, REES46)
    assert "--event remove_from_cart=drop" in str(refused.value)
    assert len(read(tmp_path, REES46, events={"remove_from_cart": "drop"})) == 5


def test_steam_as_published_has_hours_for_plays_alone(tmp_path: Path) -> None:
    log = read(tmp_path, STEAM)
    assert len(log) == 4
    assert log.feedback["weight"].to_list() == [None, 12.5, None, None]
    assert any(note.startswith("weights are kept and change nothing") for note in log.reading.notes)
    assert transitions(log, reward="event").reward.tolist() == pytest.approx([0.2, 1.0])


def test_a_number_that_lacks_here_and_there_is_refused(tmp_path: Path) -> None:
    hole = STEAM + "b,Dota,play,,2\n"
    with pytest.raises(DataError, match=r"weight of row 5 is missing, NaN or infinite \(1 such"):
        read(tmp_path, hole)


def test_ratings_of_some_events_alone_are_no_reward(tmp_path: Path) -> None:
    log = read(tmp_path, STEAM.replace("weight", "rating"))
    with pytest.raises(DataError, match="3 of 4 have none"):
        transitions(log, reward="rating")


def test_rewards_of_ones_own_are_earned(tmp_path: Path) -> None:
    log = read(tmp_path, REES46, events={"remove_from_cart": 0.0, "cart": 0.6})
    assert log.reading.event_rewards == {"remove_from_cart": 0.0, "cart": 0.6}
    earned = transitions(log, reward="event").reward
    assert earned.tolist() == pytest.approx([0.6, 0.0, 1.0, 0.2])


def test_an_le_of_the_same_users_read_otherwise_is_refused(tmp_path: Path) -> None:
    rows = [f"u{user},i{item},{1 + (user + item) % 5}" for user in range(20) for item in range(6)]
    text = "user_id,item_id,rating\n" + "\n".join(rows) + "\n"
    (tmp_path / "interactions.csv").write_text(text, encoding="utf-8")
    sources = [
        open_source(tmp_path, 0, read=ReadOptions(order="file", min_rating=least))
        for least in (None, 2)
    ]
    learned = sources[1].split.train
    record = {"training_users": learned.users_fingerprint}
    record["training_log"] = learned.interactions_fingerprint
    sources[1].check_learned({"learning": record}, "it")
    with pytest.raises(SimulatorError, match="--min-rating"):
        sources[0].check_learned({"learning": record}, "it")


def test_a_table_by_hand_may_lack_the_numbers_of_a_kind_too() -> None:
    table = pl.DataFrame(
        {
            "user_id": ["a", "a"],
            "item_id": ["x", "y"],
            "event": ["play", "purchase"],
            "weight": [2.0, float("nan")],
        }
    )
    items = Catalogue(pl.DataFrame({"item_id": ["x", "y"]}))
    log = InteractionLog.from_table(items, table)
    assert log.feedback["weight"].to_list() == [2.0, None]
