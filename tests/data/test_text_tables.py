"""Text files as people's programs write them: quotes, line ends, encodings, blank lines, width."""

from __future__ import annotations

import json
import time

import polars as pl
import pytest
from tables import histories, texts, write

from llmrec_env.common.errors import DataError
from llmrec_env.data import load

pytestmark = pytest.mark.core

PAIRS = "user_id,item_id,time\nu1,a,2\nu1,b,1\nu2,a,3\n"
AS_PAIRS = {"u1": ["b", "a"], "u2": ["a"]}


@pytest.mark.parametrize(
    ("table", "as_is"),
    [
        (PAIRS + "\n\n\n", AS_PAIRS),
        (PAIRS.replace("u2", "\n  \n\nu2"), AS_PAIRS),
        (PAIRS + ",,\n", AS_PAIRS),
        (PAIRS.replace("\n", "\r\n") + "\r\n", AS_PAIRS),
        (PAIRS.replace("\n", "\r"), AS_PAIRS),
        (PAIRS.replace(",", "\t"), AS_PAIRS),
        (PAIRS.replace(",", ";"), AS_PAIRS),
        ('user_id,item_id,time\n"u1","a","2"\n"u1","b","1"\n"u2","a","3"\n', AS_PAIRS),
        ("user_id,item_id,time\nu1,a, 2\nu1,b,1 \nu2,a,3\n", AS_PAIRS),
    ],
)
def test_tables_are_read_as_their_writers_meant(tmp_path, table, as_is):
    assert histories(load(write(tmp_path, {"interactions.csv": table}))) == as_is


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_marks_say_the_encoding(tmp_path, encoding, end):
    table = PAIRS.replace("u2", "café").replace("\n", end)
    log = load(write(tmp_path, {"interactions.csv": table}, encoding))
    assert histories(log) == {"u1": ["b", "a"], "café": ["a"]}


def test_utf_16_without_a_mark_is_read_on_request(tmp_path):
    table = PAIRS.replace("\n", "\r\n").encode("utf-16-le")
    write(tmp_path, {"interactions.csv": table})
    assert histories(load(tmp_path, encoding="utf-16-le")) == AS_PAIRS


def test_a_gzipped_table_needs_no_ending_that_says_so(tmp_path):
    write(tmp_path, {"interactions.csv.gz": PAIRS})
    (tmp_path / "interactions.csv.gz").rename(tmp_path / "interactions.csv")
    assert histories(load(tmp_path)) == AS_PAIRS


@pytest.mark.parametrize(
    "files",
    [
        {"x.inter": "user_id:token\titem_id:token\nu1\ta\n\nu1\tb\n\n"},
        {"ratings.dat": "u1::a::5::1\n\nu1::b::5::2\n\n", "movies.dat": "a::A::X\n\nb::B::X\n\n"},
        {"u.data": "u1\ta\t5\t1\n\nu1\tb\t5\t2\n\n", "u.item": "a|A" + "|" * 22 + "\n\n"},
        {"x.jsonl": '{"user_id":"u1","parent_asin":"a","timestamp":1,"rating":1}\n\n'
                    '{"user_id":"u1","parent_asin":"b","timestamp":2,"rating":1}\n\n\n'},
    ],
)  # fmt: skip
def test_blank_lines_are_skipped_in_every_format(tmp_path, files):
    assert histories(load(write(tmp_path, files))) == {"u1": ["a", "b"]}


def items(tmp_path, table):
    """The texts of items a, b, c, of which the table is given."""
    write(tmp_path, {"interactions.csv": "user_id,item_id\nu,a\nu,b\nu,c\n", "items.csv": table})
    return texts(load(tmp_path), "title")


def test_bare_quotes_are_read_as_python_reads_them(tmp_path):
    table = 'item_id,title\na,7" vinyl single\nb,The "Best" of\nc,12" LP\n'
    assert items(tmp_path, table) == {"a": '7" vinyl single', "b": 'The "Best" of', "c": '12" LP'}
    quoted = 'item_id,title\na,"7"" vinyl,\nsingle"\nb,LP\nc,x\n'
    assert items(tmp_path, quoted) == {"a": '7" vinyl, single', "b": "LP", "c": "x"}


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('item_id,title\na,A\nb,"The \\"Best\\" of"\nc,LP\n', 3),
        ('item_id,title\na,A\nb,"The" Best\nc,LP\n', 3),
        ('item_id,title\na,"A\nb,B\nc,C\n', 2),
        ('item_id,title\na,A\nb,"' + "B\nx,y\n" * 40_000, 3),
    ],
)
def test_quotes_that_do_not_close_are_told_in_one_line(tmp_path, table, line):
    with pytest.raises(
        DataError, match=rf"items\.csv, line {line}: a quote opens a field"
    ) as caught:
        items(tmp_path, table)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_titles_of_films_may_hold_the_separator(tmp_path):
    movies = "10::Thing: A::B (1995)::Comedy\n11::Matrix, The (1999)::(no genres listed)\n"
    ratings = "1::10::5::1\n1::11::3::2\n"
    log = load(write(tmp_path, {"movies.dat": movies, "ratings.dat": ratings}))
    assert texts(log, "title") == {"10": "Thing: A::B (1995)", "11": "The Matrix (1999)"}
    assert texts(log, "genres") == {"10": "Comedy", "11": ""}


def test_reviews_may_write_their_times_with_a_point(tmp_path):
    review = {"reviewerID": "A", "asin": "x", "overall": 5, "unixReviewTime": 1393545601.0}
    rows = [review, {**review, "asin": "y", "unixReviewTime": 1.3935456e9}]
    log = load(write(tmp_path, {"x.json": "".join(json.dumps(row) + "\n" for row in rows)}))
    assert histories(log) == {"A": ["y", "x"]}


def test_odd_lines_of_metadata_are_read_beside_the_others(tmp_path):
    reviews = [
        {"reviewerID": "A", "asin": f"i{i}", "overall": 5, "unixReviewTime": i} for i in range(99)
    ]
    meta = [json.dumps({"asin": f"i{i}", "title": f"T{i}"}) for i in range(99)]
    meta[17] = "{'asin': 'i17', 'title': 'Odd'}"
    meta[70] = json.dumps(
        {"asin": "i70", "title": "Nested", "categories": [["Tools", "Saws"], ["Tools"]]}
    )
    meta[71] = json.dumps({"asin": "i71", "title": "Flat", "categories": "Tools"})
    files = {"R.json": "\n".join(map(json.dumps, reviews)), "meta_R.json": "\n".join(meta)}
    log = load(write(tmp_path, files))
    assert texts(log, "title") == {f"i{i}": f"T{i}" for i in range(99)} | {
        "i17": "Odd", "i70": "Nested", "i71": "Flat"
    }  # fmt: skip
    assert texts(log, "category")["i70"] == "Tools, Saws"
    assert texts(log, "category")["i71"] == "Tools"


def test_an_error_in_json_names_its_line_wherever_it_is(tmp_path):
    row = '{"reviewerID":"A","asin":"x","overall":5,"unixReviewTime":1}\n'
    write(
        tmp_path, {"R.json": row * 2_000 + '{"reviewerID":"A","asin":"x","overall":"five"}\n' + row}
    )
    with pytest.raises(DataError, match="line 2001: 'overall' is 'five'"):
        load(tmp_path)


def test_a_path_is_taken_literally(tmp_path):
    review = {"reviewerID": "right", "asin": "x", "overall": 5, "unixReviewTime": 1}
    for name, user in (("d[1]", "right"), ("d1", "wrong")):
        table = f"user_id,item_id\n{user},a\n"
        files = {"interactions.csv": table, "x*.csv": table, "xy.csv": "user_id,item_id\nwrong,b\n"}
        write(tmp_path / name, {**files, "reviews?.json": json.dumps(review)})
    folder = tmp_path / "d[1]"
    assert load(folder).user_ids.to_list() == ["right"]
    assert load(folder / "x*.csv").user_ids.to_list() == ["right"]
    assert load(folder / "reviews?.json").user_ids.to_list() == ["right"]
    for name, user in (("t[1].parquet", "right"), ("t1.parquet", "wrong")):
        pl.DataFrame({"user_id": [user], "item_id": ["a"]}).write_parquet(tmp_path / name)
    assert load(tmp_path / "t[1].parquet").user_ids.to_list() == ["right"]


def test_a_table_of_very_many_columns_does_not_hang(tmp_path):
    names = ",".join(f"c{i}" for i in range(100_000))
    row = ",".join("1" for _ in range(100_000))
    table = f"user_id,item_id,{names}\nu,a,{row}\nu,b,{row}\n"
    begin = time.monotonic()
    log = load(write(tmp_path, {"interactions.csv": table}))
    assert histories(log) == {"u": ["a", "b"]}
    assert len(log.reading.tables[0].not_used) == 100_000
    assert max(map(len, log.reading.lines)) < 1_000
    write(tmp_path, {"interactions.csv": f"user,{names}\nu,{row}\n"})
    with pytest.raises(DataError, match="no column 'item_id' among user, c0") as caught:
        load(tmp_path)
    assert len(str(caught.value)) < 1_000
    assert time.monotonic() - begin < 30


def test_a_table_of_items_with_very_many_columns_does_not_hang(tmp_path):
    names = ",".join(f"c{i}" for i in range(3_000))
    write(tmp_path, {"interactions.csv": "user_id,item_id\nu,a\n"})
    numbers = ",".join("1" for _ in range(3_000))
    write(tmp_path, {"items.csv": f"item_id,title,{names}\na,A,{numbers}\n"})
    assert load(tmp_path).catalogue.text_columns == ["title"]
    words = numbers.replace("1", "one")
    write(tmp_path, {"items.csv": f"item_id,title,{names}\na,A,{words}\n"})
    with pytest.raises(DataError, match=r"items\.csv: 3,001 columns of text; expected at most"):
        load(tmp_path)
    assert load(tmp_path, text_columns=["title"]).catalogue.titles == ["A"]


def test_what_is_not_seen_in_a_text_is_not_read(tmp_path):
    hidden = "T\u200bo\u200dy\u2060 \u202eSto\u00adry\ufeff\x00\x07\u2066!\ufe0f"
    table = pl.DataFrame({"item_id": list("abc"), "title": [hidden, "A\x0bB\u2028C", "&#8203;D"]})
    table.write_parquet(tmp_path / "items.parquet")
    write(tmp_path, {"interactions.csv": "user_id,item_id\nu,a\nu,b\nu,c\n"})
    assert texts(load(tmp_path), "title") == {"a": "Toy Story !", "b": "A B C", "c": "D"}


def test_a_blank_first_line_is_told_from_an_empty_file(tmp_path):
    with pytest.raises(DataError, match="the first line is blank; expected a first line with"):
        load(write(tmp_path, {"interactions.csv": "\n" + PAIRS}))


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_comma_without_quotes_does_not_shift_the_fields_behind_it(tmp_path, quote):
    table = f"user_id,said,item_id,more\nu,{quote}fine{quote},a,x\nu,no, thanks,b,x\n"
    with pytest.raises(DataError, match="line 3: 5 fields, expected 4"):
        load(write(tmp_path, {"interactions.csv": table}))
    trailing = "user_id,said,item_id\nu,fine,a,,\nu,no,b\n"
    assert histories(load(write(tmp_path, {"interactions.csv": trailing}))) == {"u": ["a", "b"]}
