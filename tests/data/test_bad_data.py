"""Bad input gives one clear error that names the file, the place, what was expected, the mend."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.data import load

pytestmark = pytest.mark.core
HEADER = "user_id,item_id,rating,time\n"


def refusal(path: Path, *words: str, **options: object) -> None:
    """Loading must be refused with all of these words."""
    with pytest.raises(DataError) as caught:
        load(path, **options)
    for word in words:
        assert word in str(caught.value)


def interactions(folder: Path, content: str | bytes, name: str = "interactions.csv") -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["interactions.csv", "empty", "column names"]),
        (HEADER, ["interactions.csv", "no interactions", "at least one row"]),
        ("user_id,film\na,b\n", ["interactions.csv", "no column 'item_id'", "film"]),
        ("item_id\nb\n", ["no column 'user_id'"]),
        ("user_id,item_id,item_id\na,b,c\n", ["'item_id' occurs twice", "rename"]),
        (HEADER + "a,x,3,1\na,x,NaN,2\n", ["interactions.csv", "rating of row 2", "NaN", "number"]),
        (HEADER + "a,x,,1\n", ["rating of row 1", "missing"]),
        (HEADER + "a,x,inf,1\n", ["rating of row 1"]),
        (HEADER + "a,x,3,1\na,x,good,1\n", ["line 3", "'rating'", "'good'", "number"]),
        (HEADER + "a,x,3,1\n,x,3,1\n", ["user_id of row 2", "missing"]),
        (HEADER + "a,x,3,1\na\n", ["item_id of row 2", "missing"]),
        (HEADER + "a,x,3,1\na,x,3,\n", ["time of row 2", "missing"]),
        (HEADER + "a,x,3,soon\n", ["time of row 1", "'soon'", "ISO date"]),
        (HEADER + 'a,"x\ny",3,1\na,x,3,1,5\n', ["line 4", "5 fields, expected 4", "quotes"]),
        (HEADER.encode() + b"a,x,3,1\na,caf\xe9,3,1\n", ["line 3", "UTF-8", "0xe9", "encoding="]),
        ("user_id,item_id,time,timestamp\na,x,1,1\n", ["timestamp", "one of them"]),
    ],
)
def test_bad_interactions(tmp_path, content, words):
    refusal(interactions(tmp_path, content), *words)


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ("item_id,title\ny,Y\n", ["interactions.csv", "'x'", "items.csv", "add it there"]),
        ("item_id,title\nx,X\nx,Z\n", ["items.csv", "'x' occurs more than once", "row 1"]),
        ("item_id,title\n,X\nx,Z\n", ["items.csv", "missing", "row 1"]),
        ("id,title\nx,X\n", ["items.csv", "no column 'item_id'"]),
        ("", ["items.csv", "empty"]),
        ("item_id,title\nx,X,Y\n", ["items.csv", "line 2", "3 fields, expected 2"]),
    ],
)
def test_bad_items(tmp_path, items, words):
    interactions(tmp_path, "user_id,item_id\na,x\n")
    refusal(interactions(tmp_path, items, "items.csv"), *words)


def test_a_path_that_does_not_exist(tmp_path):
    refusal(tmp_path / "nowhere", "nowhere", "no such file or folder", "give the folder")


def test_an_unknown_format_lists_what_is_known_and_what_was_found(tmp_path):
    interactions(tmp_path, "x", "photo.png")
    refusal(tmp_path, "movielens_100k: u.data, u.item", "recbole", "plain", "photo.png")
    refusal(tmp_path / "photo.png", "photo.png", "no known format")
    refusal(tmp_path, "unknown format 'netflix'", "movielens_100k", format="netflix")
    refusal(tmp_path, "u.data, u.item", "photo.png", format="movielens_100k")


def test_an_empty_folder(tmp_path):
    refusal(tmp_path, "an empty folder")


def test_an_unknown_option_names_those_of_the_format(tmp_path):
    interactions(tmp_path, "user_id,item_id\na,x\n")
    refusal(tmp_path, "'max_tags'", "plain takes encoding, text_columns", max_tags=3)
    refusal(tmp_path, "unknown encoding 'klingon'", encoding="klingon")


def test_two_tables_of_interactions(tmp_path):
    interactions(tmp_path, "user_id,item_id\na,x\n")
    interactions(tmp_path, gzip.compress(b"user_id,item_id\na,x\n"), "interactions.csv.gz")
    refusal(tmp_path, "found interactions.csv, interactions.csv.gz", "name the file")


def test_a_damaged_archive(tmp_path):
    whole = gzip.compress(b"user_id,item_id\n" + b"a,x\nb,y\n" * 5000)
    refusal(interactions(tmp_path, whole[:60], "interactions.csv.gz"), "interactions.csv.gz")


def test_a_file_that_is_no_parquet(tmp_path):
    refusal(
        interactions(tmp_path, "a,b", "interactions.parquet"), "interactions.parquet", "parquet"
    )


REVIEW = {"reviewerID": "A", "asin": "x", "overall": 5.0, "unixReviewTime": 9}


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ('{"reviewerID": "A", "asin": \n', ["line 2", "malformed JSON", "mend or remove"]),
        ('{"reviewerID": "A", "asin": "x", "overall": NaN}\n', ["line 2", "NaN"]),
        (
            '{"reviewerID": "A", "asin": "x", "overall": "five"}\n',
            ["line 2", "'overall'", "'five'"],
        ),
        ('{"asin": "x", "overall": 5, "unixReviewTime": 1}\n', ["user_id of row 2"]),
        ('{"reviewerID": "A", "asin": "x", "unixReviewTime": 1}\n', ["rating of row 2"]),
        ("[1]\n", ["line 2"]),
        (b'{"reviewerID": "\xe9", "asin": "x"}\n', ["line 2", "UTF-8"]),
    ],
)
def test_bad_reviews(tmp_path, second, words):
    second = second if isinstance(second, bytes) else second.encode()
    content = json.dumps(REVIEW).encode() + b"\n" + second
    refusal(interactions(tmp_path, content, "R.json"), "R.json", *words)


def test_bad_metadata(tmp_path):
    interactions(tmp_path, json.dumps(REVIEW), "R.json")
    content = "{'asin': 'x'}\n{'asin': 'y'\n"
    refusal(interactions(tmp_path, content, "meta_R.json"), "meta_R.json", "line 2", "malformed")


def test_bad_movielens(tmp_path):
    interactions(tmp_path, "1::Film (1999)::Drama\n", "movies.dat")
    interactions(tmp_path, "1::1::5::9\n1::1::five::9\n", "ratings.dat")
    refusal(tmp_path, "ratings.dat", "line 2", "rating", "user_id::item_id::rating::time")


def test_bad_movielens_csv(tmp_path):
    interactions(tmp_path, "movieId,title,genres\n1,Film,Drama\n", "movies.csv")
    interactions(tmp_path, "userId,movieId,rating\n1,1,5\n", "ratings.csv")
    refusal(tmp_path, "ratings.csv", "no column 'timestamp'", "expected")


def test_bad_recbole(tmp_path):
    interactions(tmp_path, "user_id:token\titem_id\n1\t2\n", "a.inter")
    refusal(tmp_path, "a.inter", "'item_id' has no known type", "NAME:TYPE")
    interactions(tmp_path, "uid:token\titem_id:token\n1\t2\n", "a.inter")
    refusal(tmp_path, "a.inter", "no field 'user_id'", "user_field")
    assert load(tmp_path, user_field="uid").n_users == 1
