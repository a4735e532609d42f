"""Users, items, times, ratings and labels are known by the names that the field uses."""

from __future__ import annotations

import pytest
from tables import histories, texts, write

from llmrec_env.common.errors import DataError
from llmrec_env.data import load
from llmrec_env.data.columns import KNOWN, find_columns, squashed

pytestmark = pytest.mark.core


def test_a_name_means_one_role_only():
    roles = [ranks for role, ranks in KNOWN.items() if role != "session"]  # or users, see there
    names = [squashed(name) for ranks in roles for rank in ranks for name in rank.split()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        ("user_id item_id timestamp", {"user_id": "user_id", "item_id": "item_id"}),
        ("userId movieId", {"user_id": "userId", "item_id": "movieId"}),
        ("USER_ID Product-ID", {"user_id": "USER_ID", "item_id": "Product-ID"}),
        ("user_id product_id products", {"item_id": "product_id"}),
        ("user_id review_id business_id", {"item_id": "business_id"}),
        ("user_id item_id artist_id track_id", {"item_id": "item_id"}),
        ("user_id asin parent_asin", {"item_id": "parent_asin"}),
        ("session_id item_id", {"user_id": "session_id"}),
        ("session_id user_id item_id", {"user_id": "user_id"}),
        ("user_id item_id date timestamp", {"time": "timestamp"}),
        ("user_id item_id created_at", {"time": "created_at"}),
        ("user_id item_id stars", {"rating": "stars"}),
        ("user_id item_id is_click is_like", {"label": "is_click"}),
        ("user_id product_id event_type event_time", {"event": "event_type", "time": "event_time"}),
    ],
)
def test_the_surest_name_counts(names, roles):
    assert find_columns(names.split(), {}, "t.csv").items() >= roles.items()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("user_id artist_id track_id", "several columns may be the item_id: .*columns="),
        ("user_id item_id date created_at", "several columns may be the time: date, created_at"),
        ("user_id item_id stars score", "several columns may be the rating"),
        ("user_id products", "no column 'item_id' among user_id, products"),
    ],
)
def test_a_choice_that_is_left_open_is_refused(names, words):
    with pytest.raises(DataError, match=words):
        find_columns(names.split(), {}, "t.csv")


def test_the_caller_has_the_last_word():
    names = ["user_id", "artist_id", "track_id", "date", "rating"]
    chosen = {"item_id": "track_id", "rating": None}
    assert find_columns(names, chosen, "t.csv") == {
        "user_id": "user_id",
        "item_id": "track_id",
        "time": "date",
    }
    with pytest.raises(DataError, match="no column 'song'"):
        find_columns(names, {"item_id": "song"}, "t.csv")
    with pytest.raises(DataError, match="unknown 'item'; expected one of user_id"):
        find_columns(names, {"item": "song"}, "t.csv")


STEAM = (
    "user_id:token\tplay_hours:float\tproducts:token\tproduct_id:token\ttimestamp:float\n"
    "u1\t2.5\t281\t440\t1513123200\nu1\t1.0\t281\t570\t1513036800\nu2\t9\t17\t440\t1513123200\n"
)
YELP = (
    "review_id:token\tuser_id:token\tbusiness_id:token\tstars:float\tuseful:float\tdate:float\n"
    "r1\tu1\tb1\t5\t0\t1300000000\nr2\tu1\tb2\t4\t0\t1200000000\n"
)
YELP_ITEMS = (
    "business_id:token\titem_name:token_seq\tcategories:token_seq\nb1\tX\tFood\nb2\tY\tBars\n"
)
TA_FENG = (
    "transaction_date:float\tcustomer_id:token\tproduct_id:token\tamount:float\n"
    "975600000\tc1\tp1\t1\n973000000\tc1\tp2\t1\n"
)


def test_recbole_takes_the_item_by_its_name_and_not_by_its_place(tmp_path):
    log = load(write(tmp_path, {"steam.inter": STEAM}))
    assert histories(log) == {"u1": ["570", "440"], "u2": ["440"]}
    assert log.reading.tables[0].not_used == ("play_hours", "products")


def test_recbole_takes_times_ratings_and_users_by_their_other_names(tmp_path):
    log = load(write(tmp_path / "yelp", {"yelp.inter": YELP, "yelp.item": YELP_ITEMS}))
    assert histories(log) == {"u1": ["b2", "b1"]}
    assert log.feedback["rating"].to_list() == [4, 5]
    assert texts(log, "title") == {"b1": "X", "b2": "Y"}
    assert histories(load(write(tmp_path / "t", {"t.inter": TA_FENG}))) == {"c1": ["p2", "p1"]}


def test_recbole_takes_an_unknown_item_only_where_one_token_is_left(tmp_path):
    one = "user_id:token\tcrag:token\n1\t3\n"
    assert histories(load(write(tmp_path / "one", {"a.inter": one}))) == {"1": ["3"]}
    two = "user_id:token\tcrag:token\tgear:token\n1\t3\t4\n"
    folder = write(tmp_path / "two", {"a.inter": two})
    with pytest.raises(DataError, match=r"2 of them may name the item \(crag, gear\)"):
        load(folder)
    assert histories(load(folder, item_field="gear")) == {"1": ["4"]}


@pytest.mark.parametrize(
    ("table", "times"),
    [
        ("user_id,item_id,time_ms\nu,a,3000\nu,b,1000\n", [1, 3]),
        ("user_id,item_id,date\nu,a,2020-01-03\nu,b,2020-01-01\n", [1577836800, 1578009600]),
        ("user_id,item_id,Event Time\nu,a,2019-10-01 00:00:02 UTC\nu,b,2019-10-01\n", None),
    ],
)
def test_times_under_other_names_order_a_plain_table(tmp_path, table, times):
    log = load(write(tmp_path, {"interactions.csv": table}))
    assert histories(log) == {"u": ["b", "a"]}
    assert log.reading.order == "time"
    assert times is None or log.feedback["time"].to_list() == times


def test_no_time_is_said_with_the_columns_that_there_are(tmp_path):
    log = load(write(tmp_path, {"interactions.csv": "user_id,item_id,when\nu,a,2\nu,b,1\n"}))
    assert histories(log) == {"u": ["a", "b"]}
    assert log.reading.tables[0].not_used == ("when",)
    said = "no time column found (columns seen: user_id, item_id, when)"
    assert said in log.reading.notes
    chosen = load(tmp_path, columns={"time": "when"})
    assert histories(chosen) == {"u": ["b", "a"]}


MIND = (
    "user_id:token\titem_id:token\tlabel:float\ttimestamp:float\n"
    "u\ta\t0\t5\nu\tb\t1\t5\nu\tc\t0\t5\n"
)


@pytest.mark.parametrize(
    "table",
    [
        {"mind.inter": MIND},
        {"interactions.csv": "user_id,item_id,is_click\nu,a,0\nu,b,1\nu,c,0\n"},
        {"interactions.csv": "user_id,item_id,clicked\nu,a,False\nu,b,True\nu,c,False\n"},
        {"interactions.csv": "user_id,item_id,is_purchase\nu,a,-1\nu,b,1.0\nu,c,-1\n"},
    ],
)
def test_only_what_was_taken_interacts(tmp_path, table):
    log = load(write(tmp_path, table))
    assert histories(log) == {"u": ["b"]}
    assert "1 of 3 rows were taken" in log.reading.events


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("00", "expected some of 1"),
        ("32", "label of row 1 is '3'; expected 1"),
        ("x0", "label of row 1 is 'x'"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, labels, words):
    rows = "".join(f"u,{item},{label}\n" for item, label in zip("ab", labels, strict=True))
    folder = write(tmp_path, {"interactions.csv": "user_id,item_id,label\n" + rows})
    with pytest.raises(DataError, match=words):
        load(folder)
    assert len(load(folder, columns={"label": None})) == 2


@pytest.mark.parametrize(
    ("columns", "title"),
    [
        ("item_id:token\tmovie_name:token_seq\ttype:token_seq", "movie_name"),
        ("item_id:token\titem_name:token_seq\tcategories:token_seq", "item_name"),
        ("item_id:token\tapp_name:token_seq\turl:token", "app_name"),
        ("item_id:token\tname:token_seq\tpicture_url:token", "name"),
        ("item_id:token\tmovie_title:token_seq\timageURLs:token", "movie_title"),
    ],
)
def test_titles_are_recognised_and_addresses_left_out(tmp_path, columns, title):
    files = {
        "x.inter": "user_id:token\titem_id:token\nu\ta\n",
        "x.item": f"{columns}\na\tMuse\thttp://x.fm/1.jpg\n",
    }
    log = load(write(tmp_path, files))
    assert texts(log, "title") == {"a": "Muse"}
    assert "http" not in log.catalogue.sentences[0]
    assert log.reading.tables[1].used[title] == "title"
    assert len(log.reading.tables[1].not_used) == 1


def test_addresses_in_plain_tables_are_left_out_whatever_their_name(tmp_path):
    files = {
        "interactions.csv": "user_id,product_id\nu,a\n",
        "items.csv": "product_id,product_name,price,shelf,imUrl\na,Drill,3,https://x.y/z,x\n",
    }
    log = load(write(tmp_path, files))
    assert log.catalogue.table.to_dicts() == [{"item_id": "a", "title": "Drill"}]
    assert log.reading.tables[1].not_used == ("price", "shelf", "imUrl")
