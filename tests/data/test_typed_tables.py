"""Tables with types (parquet, frames): one reading, whether by ``load`` or by ``from_table``."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from tables import histories, texts, write

from llmrec_env.common.errors import DataError
from llmrec_env.data import Catalogue, InteractionLog, load

pytestmark = pytest.mark.core

ITEMS = Catalogue(pl.DataFrame({"item_id": list("abc")}))
DAY = dt.date(2020, 1, 1)


def frame(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": list("abc"), **columns})


@pytest.fixture(params=["load", "from_table"])
def read(request, tmp_path):
    """Both ways from a frame to a log."""

    def by_load(table: pl.DataFrame) -> InteractionLog:
        table.write_parquet(tmp_path / "interactions.parquet")
        return load(tmp_path)

    return by_load if request.param == "load" else lambda t: InteractionLog.from_table(ITEMS, t)


TIMES = {
    "texts": (["10", "9", "100"], [9, 10, 100]),
    "datetime": ([dt.datetime(2020, 1, 1, 0, 0, s) for s in (2, 1, 3)], None),
    "date": ([DAY + dt.timedelta(days) for days in (1, 0, 2)], None),
    "iso": (["2020-01-01T02:00:01+02:00", "2020-01-01 00:00:00 UTC", "2020-01-01T00:00:02Z"], None),
    "floats": ([2.9, 2.1, 3.0], [2, 2, 3]),
    "decimal": ([Decimal("2.5"), Decimal("1.5"), Decimal("3.5")], [1, 2, 3]),
    "unsigned": (pl.Series([2, 1, 3], dtype=pl.UInt8), None),
}
DATES = {"datetime": [1, 2, 3], "date": [0, 86400, 172800], "iso": [0, 1, 2], "unsigned": [1, 2, 3]}


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_seconds_whatever_their_type(read, kind):
    values, seconds = TIMES[kind]
    log = read(frame(time=values))
    assert histories(log) == {"u": ["b", "a"], "v": ["c"]}
    start = 1577836800 if kind in ("datetime", "date", "iso") else 0
    expected = seconds or [start + second for second in DATES[kind]]
    assert log.feedback["time"].to_list() == expected
    assert log.feedback["time"].dtype == pl.Int64


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"time": [True, False, True]}, "time is of the type Boolean; expected a number of"),
        ({"time": [dt.timedelta(1)] * 3}, "time is of the type Duration"),
        ({"time": [dt.time(1)] * 3}, "time is of the type Time"),
        ({"time": pl.Series(list("321"), dtype=pl.Categorical)}, "time is of the type Categorical"),
        ({"time": [[1], [2], [3]]}, "time is of the type List"),
        ({"time": [1.0, float("nan"), 2.0]}, "time of row 2 is nan"),
        ({"time": [1.0, float("inf"), 2.0]}, "time of row 2 is inf"),
        ({"time": [1.0, 2.0, 1e308]}, r"time of row 3 is 1e\+308"),
        ({"time": ["1", "2", "1e308"]}, "time of row 3 is '1e308'"),
        ({"time": [1, None, 2]}, "time of row 2 is missing"),
        ({"time": ["1", "", "2"]}, "time of row 2 is missing"),
        ({"user_id": ["u", None, "v"]}, "user_id of row 2 is missing"),
        ({"user_id": ["u", "", "v"]}, "user_id of row 2 is missing"),
        ({"item_id": ["a", "b", None]}, "item_id of row 3 is missing"),
        ({"item_id": [["a"], ["b"], ["c"]]}, r"item_id is of the type List\(String\); expected"),
        ({"user_id": [True, False, True]}, "user_id is of the type Boolean"),
        ({"user_id": [DAY] * 3}, "user_id is of the type Date"),
        ({"user_id": [b"\xff", b"a", b"b"]}, "user_id holds bytes that are not UTF-8"),
        ({"rating": ["3.5", "x", "4"]}, "rating of row 2 is 'x'; expected a number"),
        ({"rating": [1.0, float("inf"), 2.0]}, "rating of row 2 is missing, NaN or infinite"),
        ({"rating": [1.0, 1e300, 2.0]}, "rating of row 2 is missing, NaN or infinite"),
        ({"rating": [True, False, True]}, "rating is of the type Boolean"),
        ({"rating": [DAY] * 3}, "rating is of the type Date"),
        ({"weight": [1.0, None, 2.0]}, "weight of row 2 is missing"),
        ({"event": [[1], [2], [3]]}, "event is of the type List"),
        ({"event": ["view", None, "view"]}, "event of row 2 is missing"),
    ],
)
def test_what_a_column_cannot_be_is_refused_by_name_and_place(read, columns, words):
    with pytest.raises(DataError, match=words) as caught:
        read(frame().with_columns(**{k: pl.Series(k, v) for k, v in columns.items()}))
    assert "\n" not in str(caught.value)


def test_ids_may_be_categories_numbers_or_bytes(read):
    for ids in (
        pl.Series(["u", "u", "v"], dtype=pl.Categorical),
        pl.Series(["u", "u", "v"], dtype=pl.Enum(["u", "v"])),
        pl.Series([b"u", b"u", b"v"]),
    ):
        assert read(frame().with_columns(user_id=ids)).user_ids.to_list() == ["u", "v"]
    numbers = frame().with_columns(user_id=pl.Series([7.0, 7.0, 8.0]))
    assert read(numbers).user_ids.to_list() == ["7", "8"]


def test_both_ways_make_one_log(tmp_path):
    rng = np.random.default_rng(0)
    n = 300
    table = pl.DataFrame(
        {
            "user_id": rng.integers(20, size=n).astype(str),
            "item_id": rng.choice(list("abc"), n),
            "time": rng.integers(50, size=n) + rng.random(n),
            "rating": rng.integers(1, 6, n),
        }
    )
    table.write_parquet(tmp_path / "interactions.parquet")
    one, other = load(tmp_path), InteractionLog.from_table(ITEMS, table)
    assert histories(one) == histories(other)
    columns = ["user_id", "item_id", "time", "rating"]
    expected = table.sort("time", maintain_order=True).with_columns(
        pl.col("time").floor().cast(pl.Int64), pl.col("rating").cast(pl.Float32)
    )
    for user in other.user_ids:
        mine = other.to_table().filter(user_id=user)
        assert mine.equals(expected.filter(user_id=user).select(columns))


def test_lists_of_texts_are_joined_and_what_is_no_text_refused(tmp_path):
    write(tmp_path, {"interactions.csv": "user_id,item_id\nu,a\nu,b\n"})
    table = pl.DataFrame({"item_id": ["a", "b"], "genres": [["x", "y"], None], "n": [[1], [2, 3]]})
    table.write_parquet(tmp_path / "items.parquet")
    log = load(tmp_path)
    assert texts(log, "genres") == {"a": "x, y", "b": ""}
    assert texts(log, "n") == {"a": "1", "b": "2, 3"}
    table.with_columns(odd=pl.struct("n")).write_parquet(tmp_path / "items.parquet")
    with pytest.raises(DataError, match=r"column 'odd' is of the type Struct.*leave it out"):
        load(tmp_path)
    with pytest.raises(DataError, match="item id of row 2 is missing"):
        Catalogue(pl.DataFrame({"item_id": ["a", None]}))


def test_a_saved_log_keeps_its_times_and_order(tmp_path):
    log = InteractionLog.from_table(ITEMS, frame(time=[2, 1, 3]))
    log.save(tmp_path / "l[1].parquet")
    frame(time=[1, 2, 3]).write_parquet(tmp_path / "l1.parquet")
    again = InteractionLog.load(tmp_path / "l[1].parquet", ITEMS)
    assert histories(again) == histories(log)
