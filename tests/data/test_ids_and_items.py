"""Ids that are none are refused, and items that a table does not describe are told."""

from __future__ import annotations

import json

import polars as pl
import pytest
from tables import texts, write

from llmrec_env.common.errors import DataError
from llmrec_env.data import load

pytestmark = pytest.mark.core

REVIEW = {"reviewerID": "A", "asin": "B1", "overall": 4.0, "unixReviewTime": 9}


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"x.json": lines({**REVIEW, "reviewerID": ""})}, "user_id of row 1"),
        ({"x.json": lines(REVIEW, {**REVIEW, "asin": "  "})}, "item_id of row 2"),
        ({"ratings.dat": "::10::5::9\n", "movies.dat": "10::A::B\n"}, "user_id of row 1"),
        ({"interactions.csv": 'user_id,item_id\n"u","a"\n"","b"\n'}, "user_id of row 2"),
        ({"interactions.csv": 'user_id,item_id\n"u",""\n'}, "item_id of row 1"),
        ({"x.inter": "user_id:token\titem_id:token\nu\ta\nu\t\n"}, "item_id of row 2"),
        (
            {"interactions.csv": "user_id,item_id\nu,a\n", "items.csv": 'item_id\n""\n'},
            "item id is",
        ),
    ],
)
def test_an_empty_text_is_no_id(tmp_path, files, words):
    with pytest.raises(DataError, match=f"{words} (is )?missing"):
        load(write(tmp_path, files))


def test_an_empty_text_is_no_id_in_parquet(tmp_path):
    table = pl.DataFrame({"user_id": ["u", ""], "item_id": ["a", "b"]})
    table.write_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(DataError, match="user_id of row 2 is missing"):
        load(tmp_path)


FLOATS = "userId,movieId,rating,timestamp\n1,10.0,4.5,100\n1,11.0,3,101\n"
FILMS = "movieId,title,genres\n10,A,Comedy\n11,B,Action\n"
TAGGED = {
    "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\n1\t5\t7\t1\t1\t2009\n",
    "user_artists.dat": "userID\tartistID\tweight\n1\t5\t2\n",
    "tags.dat": "tagID\ttagValue\n7\trock\n",
    "artists.dat": "id\tname\n6\tSix\n",
}
RETAIL = {
    "events.csv": "timestamp,visitorid,event,itemid,transactionid\n1000,1,view,5,\n",
    "item_properties.csv": "timestamp,itemid,property,value\n1,6,categoryid,9\n",
}


@pytest.mark.parametrize(
    ("files", "described", "missing"),
    [
        ({"ratings.csv": FLOATS, "movies.csv": FILMS}, "'10', '11'", "'10.0', '11.0'"),
        ({"ratings.dat": "1::10.0::5::9\n", "movies.dat": "10::A::B\n"}, "'10'", "'10.0'"),
        ({"x_5.json": lines(REVIEW), "meta_y.json": lines({"asin": "Z"})}, "'Z'", "'B1'"),
        (
            {
                "x.inter": "user_id:token\titem_id:token\nu\ta\n",
                "x.item": "item_id:token\ttitle:token_seq\nb\tB\n",
            },
            "'b'",
            "'a'",
        ),
        (TAGGED, "'6'", "'5'"),
        (RETAIL, "'6'", "'5'"),
        (
            {"interactions.csv": "user_id,item_id\nu,a\n", "items.csv": "item_id,title\nb,B\n"},
            "'b'",
            "'a'",
        ),
    ],
)
def test_a_table_that_describes_none_of_the_items_is_refused(tmp_path, files, described, missing):
    with pytest.raises(DataError, match=r"describes 0 of the \d items") as caught:
        load(write(tmp_path, files))
    assert f"not described: {missing}" in str(caught.value)
    assert f"; described: {described}" in str(caught.value)


def test_a_table_that_describes_some_of_the_items_is_told(tmp_path):
    ratings = "1::10::5::9\n1::12::5::9\n1::13::5::9\n1::14::5::9\n"
    log = load(write(tmp_path, {"ratings.dat": ratings, "movies.dat": "10::A::B\n11::C::D\n"}))
    assert texts(log, "title") == {"10": "A", "12": "", "13": "", "14": ""}
    said = "describes 1 of the 4 items of ratings.dat; not described: '12', '13'…; described: '10'"
    assert any(said in note for note in log.reading.notes)


def test_whole_numbers_that_pandas_made_floats_are_the_same_ids(tmp_path):
    table = pl.DataFrame({"user_id": [1.0, 2.0], "item_id": [10.0, 11.0]})
    table.write_parquet(tmp_path / "interactions.parquet")
    write(tmp_path, {"items.csv": "item_id,title\n10,A\n11,B\n"})
    log = load(tmp_path)
    assert log.user_ids.to_list() == ["1", "2"]
    assert texts(log, "title") == {"10": "A", "11": "B"}
    table.with_columns(pl.col("user_id") + 0.5).write_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(DataError, match=r"user_id holds numbers that are not whole, such as 1\.5"):
        load(tmp_path)


def test_ids_that_look_like_missing_ones_are_told(tmp_path):
    log = load(write(tmp_path, {"interactions.csv": "user_id,item_id\nnan,a\nu,a\nnan,b\n"}))
    assert "user_id 'nan' stands in 2 rows: is it a missing one?" in log.reading.notes


def test_texts_that_say_there_is_none_are_no_texts(tmp_path):
    files = {
        "x.inter": "user_id:token\titem_id:token\nu\ta\nu\tb\n",
        "x.item": "item_id:token\ttitle:token_seq\tgenre:token_seq\n"
        "a\tA\t(no genres listed)\nb\tnan\tX\n",
    }
    log = load(write(tmp_path, files))
    assert texts(log, "genres") == {"a": "", "b": "X"}
    assert texts(log, "title") == {"a": "A", "b": ""}
