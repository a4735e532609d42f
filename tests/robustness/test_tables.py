"""Malformed tables: each ends in one error of the package, or in the log that Python reads there.

Tables are written, damaged by a few bytes, and loaded. What comes out is compared with a reading
by nothing but Python's own csv and json.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_env.common.errors import LLMRecError
from llmrec_env.data import InteractionLog, load
from llmrec_env.data.columns import find_columns
from llmrec_env.data.formats.item_texts import title_of

pytestmark = pytest.mark.core

Rows = list[dict[str, object]]
Histories = dict[str, list[str]]
REVIEW = ("reviewerID", "asin", "overall", "unixReviewTime")
COLUMNS = ("user_id", "item_id", "rating", "time")
QUICK = settings(max_examples=120, deadline=None, derandomize=True, database=None)

ids = st.text("ab1 0.\"',;\t\\é\u200b", min_size=0, max_size=4) | st.sampled_from(["u", "v", "x"])
numbers = st.sampled_from([1, 2.5, 5, -3]) | st.integers(0, 10**10)
odd_numbers = numbers | st.sampled_from(["", "x", "nan", "inf", "1e308", " 2 "])
rows = st.lists(
    st.fixed_dictionaries(
        {"user_id": ids, "item_id": ids, "rating": st.sampled_from([1, 2.5, 5]), "time": numbers}
    ),
    min_size=0,
    max_size=6,
)
odd_rows = st.lists(
    st.fixed_dictionaries(
        {"user_id": ids, "item_id": ids, "rating": odd_numbers, "time": odd_numbers}
    ),
    min_size=0,
    max_size=4,
)
PIECES = (b'"', b"\n", b"\r", b"\r\n\r\n", b",", b";", b"\t", b"::", b"\\", b"\x00", b"\xff", b"{")
damages = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 3), st.sampled_from([b"", *PIECES])), max_size=3
)


def damaged(content: bytes, damage: list[tuple[int, int, bytes]]) -> bytes:
    """The content with a few stretches replaced."""
    for place, length, piece in damage:
        at = place % (len(content) + 1)
        content = content[:at] + piece + content[at + length :]
    return content


class Unreadable(Exception):
    """Python's own reading finds no log here."""


def histories_of(rows: Rows) -> Histories:
    """The items of each user by time, from dictionaries; a time that no row has is none."""
    timed = any(str(row.get("time", "")).strip() for row in rows)
    read = []
    for row in rows:
        user, item = str(row["user_id"]), str(row["item_id"])
        if not user.strip() or not item.strip():
            raise Unreadable
        if "rating" in row:
            number_of(row["rating"])
        read.append((number_of(row["time"]) if timed else 0.0, user, item))
    if not read:
        raise Unreadable
    found: Histories = {}
    for _, user, item in sorted(read, key=lambda row: row[0]):
        found.setdefault(user, []).append(item)
    return found


def number_of(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        raise Unreadable from None
    if not math.isfinite(number) or abs(number) >= 1 << 62:
        raise Unreadable
    return number


def read_by_csv(content: bytes, separator: str) -> Histories:
    """A table with a header, by Python's csv."""
    try:
        text = content.decode(
            "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        )
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except (UnicodeError, csv.Error):
        raise Unreadable from None
    if not lines:
        raise Unreadable
    header = lines[0]
    try:
        roles = find_columns(header, {}, "the table")  # names are tried in tests/data
    except LLMRecError:
        raise Unreadable from None
    places = {role: header.index(name) for role, name in roles.items()}
    rows: Rows = []
    for line in lines[1:]:
        if not any(field.strip() for field in line):
            continue
        if any(line[len(header) :]):
            raise Unreadable
        line += [""] * (len(header) - len(line))
        rows.append({name: line[place] for name, place in places.items()})
    return histories_of(rows)


def read_by_json(content: bytes) -> Histories:
    """Reviews of 2014, by Python's json."""
    names = {
        "reviewerID": "user_id",
        "asin": "item_id",
        "overall": "rating",
        "unixReviewTime": "time",
    }
    rows: Rows = []
    try:
        for line in content.decode("utf-8-sig").split("\n"):
            if line.strip():
                record = json.loads(line)
                rows.append({role: record.get(name, "") for name, role in names.items()})
    except (ValueError, AttributeError):
        raise Unreadable from None
    return histories_of([{k: "" if v is None else v for k, v in row.items()} for row in rows])


def read_by_colons(content: bytes) -> Histories:
    """Ratings of MovieLens 1M."""
    try:
        lines = re.split(r"\r\n|\r|\n", content.decode("utf-8-sig"))
    except UnicodeError:
        raise Unreadable from None
    parts = [line.split("::", 3) for line in lines if line.strip()]
    if any(len(part) != 4 for part in parts):
        raise Unreadable
    return histories_of([dict(zip(COLUMNS, part, strict=True)) for part in parts])


def check(name: str, content: bytes, expected: Callable[[], Histories], **more: str) -> None:
    """Load a file: one short error, or the same log as the other reading."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), {name: content, **more})
        log, error = None, ""
        try:
            log = load(folder)
        except LLMRecError as refusal:
            error = str(refusal).replace(folder, "")
    assert "\n" not in error
    assert len(error) < 1_500
    assert log is None or histories(log) == expected()


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def histories(log: InteractionLog) -> Histories:
    ids = log.catalogue.ids
    users = zip(log.user_ids, log.sequences(), strict=True)
    return {user: [ids[item] for item in items] for user, items in users}


def as_csv(table: Rows, separator: str = ",", quote: bool = False, end: str = "\n") -> str:
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(text, COLUMNS, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


@QUICK
@given(
    rows | odd_rows,
    damages,
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_csv(table, damage, quote, end, encoding):
    content = damaged(as_csv(table, ",", quote, end).encode(encoding), damage)
    check("interactions.csv", content, lambda: read_by_csv(content, ","))


@QUICK
@given(rows | odd_rows, damages)
def test_tsv(table, damage):
    content = damaged(as_csv(table, "\t").encode(), damage)
    check("interactions.tsv", content, lambda: read_by_csv(content, "\t"))


@QUICK
@given(rows | odd_rows, damages)
def test_recbole(table, damage):
    header = "user_id:token\titem_id:token\trating:float\ttime:float\n"
    lines = "".join("\t".join(str(row[name]) for name in COLUMNS) + "\n" for row in table)
    content = header.encode() + damaged(lines.encode(), damage)

    def expected() -> Histories:
        names, _, rest = content.decode("utf-8-sig").partition("\n")
        plain = "\t".join(name.partition(":")[0] for name in names.rstrip("\r").split("\t"))
        unquoted = f"{plain}\n{rest}".replace('"', "\ue000")  # no quotes in these files
        found = read_by_csv(unquoted.encode(), "\t")
        return {
            u.replace("\ue000", '"'): [i.replace("\ue000", '"') for i in s]
            for u, s in found.items()
        }

    check("x.inter", content, expected)


@QUICK
@given(rows | odd_rows, damages)
def test_movielens_dat(table, damage):
    lines = "".join("::".join(str(row[name]) for name in COLUMNS) + "\n" for row in table)
    content = damaged(lines.encode(), damage)
    film = "".join(f"{row['item_id']}::Film::Drama\n" for row in table[:1])
    check("ratings.dat", content, lambda: read_by_colons(content), **{"movies.dat": film})


@QUICK
@given(rows | odd_rows, damages)
def test_reviews(table, damage):
    records = [dict(zip(REVIEW, (row[name] for name in COLUMNS), strict=True)) for row in table]
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    content = damaged(text.encode(), damage)
    check("R.json", content, lambda: read_by_json(content))


TYPES = (
    pl.String, pl.Int64, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.Date, pl.Datetime("ns"),
    pl.Time, pl.Duration, pl.Categorical, pl.Binary, pl.Null, pl.List(pl.String), pl.Decimal(10, 2),
)  # fmt: skip


@QUICK
@given(st.tuples(*[st.sampled_from(TYPES)] * 4), st.lists(st.integers(0, 3), max_size=4))
def test_parquet(types, values):
    table = pl.DataFrame(
        {
            name: pl.Series(values, dtype=pl.Int64).cast(pl.String).cast(dtype, strict=False)
            if dtype in (pl.String, pl.Categorical, pl.Binary)
            else pl.Series([[str(v)] for v in values], dtype=dtype)
            if dtype == pl.List(pl.String)
            else pl.Series([None] * len(values), dtype=dtype)
            if dtype == pl.Null
            else pl.Series(values, dtype=pl.Int64).cast(dtype)
            for name, dtype in zip(COLUMNS, types, strict=True)
        }
    )
    file = io.BytesIO()
    table.write_parquet(file)

    def expected() -> Histories:
        if pl.Time in types or pl.Duration in types or pl.Boolean in types:
            raise Unreadable
        keys = range(len(values)) if types[3] == pl.Null else values
        order = sorted(range(len(values)), key=lambda row: keys[row])
        found: Histories = {}
        for row in order:
            found.setdefault(str(values[row]), []).append(str(values[row]))
        return found

    check("interactions.parquet", file.getvalue(), expected)


@QUICK
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), damages)
def test_damaged_parquet(values, damage):
    file = io.BytesIO()
    pl.DataFrame(dict.fromkeys(COLUMNS, values)).write_parquet(file)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), {"interactions.parquet": damaged(file.getvalue(), damage)})
        with contextlib.suppress(LLMRecError):
            load(folder)


titles = st.text("abc 12\"',;\\\n", max_size=8)


@QUICK
@given(st.lists(titles, min_size=1, max_size=4), damages, st.booleans())
def test_items(names, damage, quote):
    """Titles as Python's csv reads them, but for white space and what is not seen."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL)
    writer.writerows([["item_id", "title"], *([f"i{n}", name] for n, name in enumerate(names))])
    content = damaged(text.getvalue().encode(), damage)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), {"items.csv": content, "interactions.csv": "user_id,item_id\nu,i0\n"})
        try:
            log = load(folder)
        except LLMRecError as error:
            found, said = None, str(error)
        else:
            found, said = log.catalogue.titles, ""
    assert "\n" not in said
    if found is not None:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        table = [line for line in lines if "".join(line).strip()]
        title = title_of(table[0][1:])  # names are tried in tests/data
        titled = title is not None
        place = table[0].index(title) if title is not None else 0
        line = next(line for line in table[1:] if line[0] == "i0")
        expected = line[place : place + 1] if titled else []
        untitled = "item i0" if titled else "i0"
        assert [seen(title) for title in found] == [seen("".join(expected)) or seen(untitled)]


def seen(text: str) -> str:
    return "".join(character for character in text if not character.isspace() and character >= " ")
