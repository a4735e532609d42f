"""Each public format, as its publisher writes it, becomes the same kind of log."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import polars as pl
import pytest
from tables import histories, texts

from llmrec_env.data import load
from llmrec_env.data.formats import FORMATS, Format, LogFiles, RawLog
from llmrec_env.data.log import InteractionLog

pytestmark = pytest.mark.core


def write(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> Path:
    """Write texts to files, gzipped where the name says so."""
    for name, text in files.items():
        content = text.encode(encoding)
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def lines(*records: dict) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_movielens_100k(tmp_path):
    flags = {"1": "0|0|0|1|1|1" + "|0" * 13, "2": "1" + "|0" * 18}
    films = [
        f"1|Misérables, Les (1995)|01-Jan-1995||url|{flags['1']}",
        f"2|unknown||||{flags['2']}",
        f"3|Unseen (1990)|||url|{flags['2']}",
    ]
    write(tmp_path, {"u.item": "\n".join(films) + "\n"}, "iso-8859-1")
    write(tmp_path, {"u.data": "7\t1\t3\t20\n7\t2\t5\t10\n"})
    log = load(tmp_path)
    assert histories(log) == {"7": ["2", "1"]}
    assert log.feedback.to_dict(as_series=False) == {"time": [10, 20], "rating": [5, 3]}
    assert texts(log, "title") == {"1": "Les Misérables (1995)", "2": "unknown"}
    assert texts(log, "genres") == {"1": "Animation, Children's, Comedy", "2": ""}


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_movielens_1m_and_10m(tmp_path, encoding):
    write(tmp_path, {"movies.dat": "1::Amélie, L' (2001)::Comedy|Drama\n"}, encoding)
    write(tmp_path, {"ratings.dat": "5::1::3.5::978300760\n5::9::4::978300761\n"})
    log = load(tmp_path)
    assert histories(log) == {"5": ["1", "9"]}
    assert log.feedback["rating"].to_list() == [3.5, 4.0]
    assert texts(log, "title") == {"1": "L'Amélie (2001)", "9": ""}
    assert texts(log, "genres")["1"] == "Comedy, Drama"


def test_movielens_csv(tmp_path):
    movies = (
        'movieId,title,genres\n10,"Matrix, The (1999)",Action|Sci-Fi\n11,X,(no genres listed)\n'
    )
    ratings = "userId,movieId,rating,timestamp\n1,11,0.5,200\n1,10,4.5,100\n"
    log = load(write(tmp_path, {"movies.csv": movies, "ratings.csv": ratings}))
    assert histories(log) == {"1": ["10", "11"]}
    assert texts(log, "title")["10"] == "The Matrix (1999)"
    assert texts(log, "genres") == {"10": "Action, Sci-Fi", "11": ""}


def test_amazon_2014_with_metadata_in_python_literals(tmp_path):
    reviews = lines(
        {"reviewerID": "A", "asin": "x", "overall": 5.0, "unixReviewTime": 9, "helpful": [0, 1]},
        {"reviewerID": "A", "asin": "y", "overall": 2.0, "unixReviewTime": 3},
    )
    metadata = (
        "{'asin': 'x', 'title': 'Drill &amp; bits', 'categories': [['Tools', 'Drills'], ['Tools']],"
        " 'brand': \"O'Neil\", 'description': 'Good.<br />Very'}\n"
        "{'asin': 'unseen', 'categories': [['Tools']]}\n"
    )
    write(tmp_path, {"reviews_Tools_5.json.gz": reviews, "meta_Tools.json.gz": metadata})
    log = load(tmp_path)
    assert histories(log) == {"A": ["y", "x"]}
    assert log.feedback["rating"].to_list() == [2.0, 5.0]
    assert log.catalogue.table.filter(item_id="x").to_dicts() == [
        {
            "item_id": "x",
            "title": "Drill & bits",
            "category": "Tools, Drills",
            "brand": "O'Neil",
            "description": "Good. Very",
        }
    ]
    assert texts(log, "title")["y"] == ""


def test_a_python_literal_runs_no_code(tmp_path):
    reviews = lines({"reviewerID": "A", "asin": "x", "overall": 5, "unixReviewTime": 9})
    proof = tmp_path / "ran"
    evil = f"{{'asin': __import__('pathlib').Path({str(proof)!r}).touch()}}\n"
    write(tmp_path, {"reviews.json": reviews, "meta_reviews.json": evil})
    with pytest.raises(ValueError, match="line 1: malformed"):
        load(tmp_path)
    assert not proof.exists()


def test_amazon_2018(tmp_path):
    review = {"overall": 4.0, "reviewerID": "A", "unixReviewTime": 5, "style": {"Size:": "L"}}
    first = {
        "asin": "x",
        "title": "Relay",
        "category": ["Industrial", "Relays"],
        "description": ["One.", "Two."],
        "details": {"a": 1},
    }
    scripted = {"asin": "y", "title": "var t = (new Date()).getTime();", "feature": ["Sturdy"]}
    files = {
        "Industrial_5.json": lines({**review, "asin": "x"}, {**review, "asin": "y"}),
        "meta_Industrial.json": lines(first, {**first, "title": "again"}, scripted),
        "meta_Other.json": lines({"asin": "z"}),
    }
    log = load(write(tmp_path, files))
    assert texts(log, "title") == {"x": "Relay", "y": ""}
    assert texts(log, "category")["x"] == "Industrial, Relays"
    assert texts(log, "description") == {"x": "One. Two.", "y": "Sturdy"}


def test_amazon_2018_metadata_whose_fields_change_shape(tmp_path):
    review = {"overall": 4.0, "reviewerID": "A", "unixReviewTime": 5}
    meta = lines({"asin": "x", "description": ["One.", "Two."]}, {"asin": "y", "description": ""})
    reviews = lines({**review, "asin": "x"}, {**review, "asin": "y"})
    log = load(write(tmp_path, {"I_5.json": reviews, "meta_I.json": meta}))
    assert texts(log, "description") == {"x": "One. Two.", "y": ""}


def test_amazon_2023(tmp_path):
    reviews = lines(
        {
            "user_id": "A",
            "parent_asin": "p",
            "asin": "q",
            "rating": 3.0,
            "timestamp": 1588687728923,
        },
        {
            "user_id": "A",
            "parent_asin": "r",
            "asin": "r",
            "rating": 4.0,
            "timestamp": 1588687728100,
        },
    )
    metadata = lines(
        {
            "parent_asin": "p",
            "title": "Cream",
            "main_category": "All Beauty",
            "categories": [],
            "features": ["Soft", "Kind"],
            "description": [],
            "store": "Acme",
        }
    )
    log = load(write(tmp_path, {"All.jsonl.gz": reviews, "meta_All.jsonl.gz": metadata}))
    assert histories(log) == {"A": ["r", "p"]}, "the order within a second is kept"
    assert log.feedback["time"].to_list() == [1588687728, 1588687728]
    row = log.catalogue.table.row(log.catalogue.ids.index("p"))
    assert row == ("p", "Cream", "All Beauty", "Acme", "Soft Kind")


def test_amazon_reviews_without_metadata_and_a_choice_among_files(tmp_path):
    review = {"reviewerID": "A", "overall": 4.0, "unixReviewTime": 5}
    files = {"A.json": lines({**review, "asin": "a"}), "B.json": lines({**review, "asin": "b"})}
    log = load(write(tmp_path, files) / "B.json")
    assert log.catalogue.ids == ["b"]
    assert not log.catalogue.has_text
    with pytest.raises(ValueError, match=r"A\.json, B\.json; name the file"):
        load(tmp_path)


def test_lastfm_takes_the_first_tag_and_the_play_count(tmp_path):
    files = {
        "artists.dat": 'id\tname\turl\tpictureURL\n1\tThe "One\tu\tp\n2\tTwo\tu\tp\n3\tOdd\tu\tp\n',
        "user_artists.dat": "userID\tartistID\tweight\n8\t1\t13883\n8\t3\t5\n",
        "user_taggedartists.dat": "userID\tartistID\ttagID\tday\tmonth\tyear\n"
        "8\t1\t11\t2\t4\t2009\n8\t1\t12\t1\t4\t2009\n8\t2\t12\t1\t1\t2008\n9\t1\t12\t1\t1\t2010\n",
    }
    write(tmp_path, files)
    write(tmp_path, {"tags.dat": "tagID\ttagValue\n11\tforró\n12\tmetal\n"}, "iso-8859-1")
    log = load(tmp_path)
    assert histories(log) == {"8": ["2", "1"], "9": ["1"]}
    april = 1238544000
    assert log.feedback["time"].to_list()[1] == april
    assert log.feedback["weight"].to_list() == [0, 13883, 0]
    assert texts(log, "title") == {"1": 'The "One', "2": "Two"}
    assert texts(log, "tags") == {"1": "metal, forró", "2": "metal"}
    assert texts(load(tmp_path, max_tags=1), "tags")["1"] == "metal"


def test_retailrocket(tmp_path):
    files = {
        "events.csv": "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433221332118,257597,transaction,5,4000\n",
        "item_properties_part1.csv": "timestamp,itemid,property,value\n"
        "2,5,categoryid,1338\n1,5,categoryid,9\n1,5,888,n1 n2\n",
        "item_properties_part2.csv": "timestamp,itemid,property,value\n1,7,categoryid,9\n",
        "category_tree.csv": "categoryid,parentid\n1338,140\n140,\n",
    }
    log = load(write(tmp_path, files))
    assert log.feedback["event"].to_list() == ["view", "transaction"]
    assert log.feedback["time"].to_list() == [1433221332, 1433221332]
    assert texts(log, "category") == {"355908": "", "5": "140, 1338"}
    (tmp_path / "item_properties_part1.csv").unlink()
    (tmp_path / "item_properties_part2.csv").unlink()
    assert not load(tmp_path).catalogue.has_text


def test_recbole(tmp_path):
    files = {
        "ml.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "1\t242\t3\t881250949\n1\t302\t4\t881250940\n",
        "ml.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\t"
        'price:float\n242\tKolya\t1996\tComedy\t3\n302\tL.A. "Confidential\t1997\tCrime Drama\t4\n',
    }
    log = load(write(tmp_path, files))
    assert histories(log) == {"1": ["302", "242"]}
    assert set(log.catalogue.text_columns) == {"title", "release_year", "genres"}
    assert texts(log, "title")["302"] == 'L.A. "Confidential'


def test_recbole_with_another_item_field(tmp_path):
    files = {
        "lastfm.inter": "user_id:token\tartist_id:token\tweight:float\n1\t3\t7\n1\t2\t8\n",
        "lastfm.item": "artist_id:token\tname:token_seq\n3\tThree\n2\tTwo\n",
    }
    log = load(write(tmp_path, files))
    assert histories(log) == {"1": ["3", "2"]}
    assert log.feedback["weight"].to_list() == [7, 8]
    assert texts(log, "title") == {"3": "Three", "2": "Two"}


INTERACTIONS = "user_id,item_id,timestamp,rating,session\na,x,7,1.5,s\nb,y,5,2,s\na,y,6,3,s\n"
ITEMS = 'item_id,title,category,price\nx,"One, two","Tools,Drills",3.5\ny,Two,"Pack of 1,000",\n'


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_plain_tables(tmp_path, ending):
    for stem, text in (("interactions", INTERACTIONS), ("items", ITEMS)):
        if ending == ".parquet":
            pl.read_csv(text.encode()).write_parquet(tmp_path / f"{stem}.parquet")
        else:
            write(tmp_path, {stem + ending: text})
    log = load(tmp_path)
    assert histories(log) == {"b": ["y"], "a": ["y", "x"]}
    assert log.feedback.columns == ["time", "rating", "session"]
    assert set(log.catalogue.text_columns) == {"title", "category"}
    assert texts(log, "category") == {"x": "Tools, Drills", "y": "Pack of 1,000"}


def test_plain_tables_take_other_encodings_and_chosen_texts(tmp_path):
    write(tmp_path, {"interactions.csv": "user_id,item_id\na,x\n"})
    write(tmp_path, {"items.csv": "item_id,title,price\nx,Café,3\n"}, "iso-8859-1")
    log = load(tmp_path, encoding="iso-8859-1", text_columns=["price", "title"])
    assert log.catalogue.table.to_dicts() == [{"item_id": "x", "title": "Café", "price": "3"}]


def test_a_plain_table_may_have_any_name_and_needs_no_items(tmp_path):
    write(tmp_path, {"mine.csv": "item_id,user_id\n01,a\n1,a\n"})
    log = load(tmp_path / "mine.csv")
    assert histories(log) == {"a": ["01", "1"]}
    assert not log.catalogue.has_text


@pytest.mark.parametrize(
    "times",
    [
        ["100", "40"],
        ["100.9", "100.2"],
        ["2020-01-31T12:00:00Z", "2020-01-30"],
        ["2020-01-01 12:00:01.5", "2020-01-01 12:00"],
        ["1e3", "9"],
    ],
)
def test_times_are_numbers_or_dates(tmp_path, times):
    rows = "".join(f"a,{item},{time}\n" for item, time in zip("xy", times, strict=True))
    log = load(write(tmp_path, {"interactions.csv": "user_id,item_id,time\n" + rows}))
    assert histories(log) == {"a": ["y", "x"]}
    assert log.has_time


@pytest.mark.parametrize(
    ("later", "earlier", "seconds"),
    [
        ("20200102", "20200101", [1577836800, 1577923200]),
        ("202001020000", "202001010000", [1577836800, 1577923200]),
        ("20200101000001", "20200101000000", [1577836800, 1577836801]),
        ("20200199", "20200101", [20200101, 20200199]),  # no date: numbers as they are
    ],
)
def test_dates_as_whole_numbers_are_dates(tmp_path, later, earlier, seconds):
    rows = f"user_id,item_id,time\na,x,{later}\na,y,{earlier}\n"
    log = load(write(tmp_path, {"interactions.csv": rows}))
    assert log.feedback["time"].to_list() == seconds
    assert any("read as dates" in note for note in log.reading.notes) == (seconds[0] > 1e9)
    table = pl.DataFrame(
        {"user_id": "a", "item_id": ["x", "y"], "time": [int(later), int(earlier)]}
    )
    log = InteractionLog.from_table(log.catalogue, table)
    assert log.feedback["time"].to_list() == seconds


def test_dates_in_parquet_become_seconds(tmp_path):
    table = pl.DataFrame(
        {"user_id": [1, 1], "item_id": [1, 2], "time": ["2020-01-02", "2020-01-01"]}
    )
    table.with_columns(pl.col("time").str.to_date()).write_parquet(
        tmp_path / "interactions.parquet"
    )
    assert load(tmp_path).feedback["time"].to_list() == [1577836800, 1577923200]


@pytest.mark.parametrize("column", [["", "", ""], ["0", "0", "1"]])
def test_no_times_or_positions_only_mean_file_order(tmp_path, column):
    users, items = "aba", "xyz"
    rows = "".join(
        f"{user},{item},{time}\n" for user, item, time in zip(users, items, column, strict=True)
    )
    log = load(write(tmp_path, {"interactions.csv": "user_id,item_id,timestamp\n" + rows}))
    assert histories(log) == {"a": ["x", "z"], "b": ["y"]}
    assert not log.has_time


def test_the_order_of_the_items_is_shuffled_and_seeded(tmp_path):
    rows = "".join(f"a,{item:02},{item}\n" for item in range(20))
    write(tmp_path, {"interactions.csv": "user_id,item_id,rating\n" + rows})
    in_file_order = load(tmp_path, shuffle_seed=None)
    assert in_file_order.items.tolist() == list(range(20))
    assert load(tmp_path).catalogue.ids == load(tmp_path, shuffle_seed=0).catalogue.ids
    assert load(tmp_path).catalogue.ids != load(tmp_path, shuffle_seed=1).catalogue.ids
    assert histories(load(tmp_path)) == histories(in_file_order)


def test_unseen_items_stay_on_request(tmp_path):
    write(tmp_path, {"interactions.csv": "user_id,item_id\na,x\n", "items.csv": "item_id\nx\ny\n"})
    assert load(tmp_path).catalogue.ids == ["x"]
    assert sorted(load(tmp_path, keep_unseen_items=True).catalogue.ids) == ["x", "y"]


def test_texts_are_cleaned(tmp_path):
    markup = (
        "<p class='a'>5 < 6 &amp;lt;b&amp;gt;bold</b><script>if (a<b) {}</script>\n\t"
        "&quot;fine&quot; <!-- no -->R&amp;D"
    )
    items = pl.DataFrame({"item_id": ["x"], "title": [markup]})
    items.write_parquet(tmp_path / "items.parquet")
    write(tmp_path, {"interactions.csv": "user_id,item_id\na,x\n"})
    assert load(tmp_path).catalogue.titles == ['5 < 6 &lt;b&gt;bold "fine" R&D']


def test_long_texts_end_at_a_word(tmp_path):
    items = "item_id,title,tag\nx,one two three,abcdefghijklmnop\n"
    write(tmp_path, {"interactions.csv": "user_id,item_id\na,x\n", "items.csv": items})
    row = load(tmp_path, max_characters=9).catalogue.table.row(0)
    assert row == ("x", "one two", "abcdefghi")


def test_many_rows_leave_no_python_objects(tmp_path):
    """Counted by the allocator's blocks, which Python objects take and polars columns do not."""
    rows = 100_000
    table = pl.select(user_id=pl.int_range(rows) % 977, item_id=pl.int_range(rows) % 131)
    table.with_columns(timestamp=pl.int_range(rows) * 7).write_csv(tmp_path / "interactions.csv")
    load(tmp_path)
    before = sys.getallocatedblocks()
    log = load(tmp_path)
    assert len(log) == rows
    assert sys.getallocatedblocks() - before < 5_000


def test_a_format_of_ones_own(tmp_path, monkeypatch):
    def read(source: LogFiles, suffix: str = "") -> RawLog:
        path = source.only("*.pairs")
        table = pl.DataFrame([line.split() for line in path.read_text().splitlines()], orient="row")
        table.columns = ["user_id", "item_id"]
        return RawLog(table.with_columns(pl.col("item_id") + suffix), path)

    own = Format("pairs", "NAME.pairs", lambda source: bool(source.candidates("*.pairs")), read)
    monkeypatch.setitem(FORMATS, own.name, own)
    write(tmp_path, {"my.pairs": "a x\nb y\na y\n"})
    assert histories(load(tmp_path)) == {"a": ["x", "y"], "b": ["y"]}
    assert histories(load(tmp_path, suffix="!"))["b"] == ["y!"]


REAL = {
    "ml_100k": (943, 1682, 100_000, {"time", "rating"}),
    "ml_latest_small": (671, 9066, 100_004, {"time", "rating"}),
    "amazon_industrial": (8317, 4344, 58_492, set()),
    "jester5k": (5000, 100, 363_209, {"rating"}),
    "lastfm_hetrec2011": (1892, 12_523, 71_064, {"time", "weight"}),
    "retailrocket": (19_173, 38_187, 104_776, {"time", "event"}),
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", REAL)
def test_real_data(shared_data, name):
    log = load(shared_data / name)
    users, items, rows, columns = REAL[name]
    assert (log.n_users, log.n_items, len(log)) == (users, items, rows)
    assert set(log.feedback.columns) == columns
    assert log.has_time == ("time" in columns)
    assert log.catalogue.has_text == (name != "retailrocket")


@pytest.mark.realdata
def test_real_films_read_well(shared_data):
    log = load(shared_data / "ml_100k")
    item = int(log.catalogue.index_of(["1"])[0])
    assert log.catalogue.titles[item] == "Toy Story (1995)"
    assert log.catalogue.table["genres"][item] == "Animation, Children's, Comedy"
    assert log.item_counts()[item] == 452
