"""Reader of your own tables: ``interactions`` and ``items`` as csv, tsv (.gz) or parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed
from llmrec_env.data.catalogue import as_texts
from llmrec_env.data.columns import TYPES, Columns, find_columns, with_sessions
from llmrec_env.data.formats.base import Format, LogFiles, RawLog, table_reading
from llmrec_env.data.formats.delimited import read_delimited, read_header
from llmrec_env.data.formats.item_texts import (
    holds_addresses,
    holds_numbers,
    names_address,
    title_of,
)
from llmrec_env.data.formats.raw_text import first_line_of
from llmrec_env.data.formats.text import spaced
from llmrec_env.data.parquet import parquet_columns, read_parquet
from llmrec_env.data.reading import Reading
from llmrec_env.data.times import in_seconds, unit_of
from llmrec_env.data.values import as_ids

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
MOST_COLUMNS = 10_000  # of items, each of which is read to see whether it is text
SEPARATORS = ",\t;|"
LISTS = ("category", "categories", "genres", "tags")


def recognises(source: LogFiles) -> bool:
    """A table called ``interactions``, or one table of that kind named by its file."""
    if source.candidates(*_names("interactions")):
        return True
    named = source.candidates(*_names("*")) if source.path.is_file() else []
    return any(_is_table_of_interactions(path) for path in named)


def read(
    source: LogFiles,
    encoding: str = "utf-8",
    text_columns: Sequence[str] | None = None,
    columns: Columns | None = None,
) -> RawLog:
    """A user and an item in each row, and a time, a rating, a label, an event and a weight where
    there are such columns, under any of their known names (:mod:`llmrec_env.data.columns`).

    Times are numbers (seconds, or what a name such as ``time_ms`` says), dates or ISO texts. Where
    there is an ``items`` table, it must name every seen item.

    Args:
        source: where the files stand.
        encoding: of text files, as Python names it.
        text_columns: the columns of ``items`` that describe an item; by default all but those that
            hold numbers alone, and addresses.
        columns: which column is the ``user_id``, ``item_id``, ``time``, ``rating``, ``label``,
            ``event`` or ``weight``, where the names do not say it; None where none is.
    """
    by_name = source.path.is_file() and not source.candidates(*_names("interactions"))
    path = source.path if by_name else source.only(*_names("interactions"))
    names = _column_names(path, encoding)
    roles = find_columns(names, columns or {}, str(path))
    interactions = _read_interactions(path, encoding, roles)
    reading = table_reading(path, names, {column: role for role, column in roles.items()})
    found = source.neighbours(*_names("items"))
    if not found:
        return RawLog(interactions, path, reading=Reading(tables=(reading,)))
    if len(found) > 1:
        files = listed(file.name for file in found)
        raise DataError(f"{source.folder}: expected one table of items, found {files}; remove one")
    names = _column_names(found[0], encoding)
    item = roles["item_id"]
    if item not in names:
        item = find_columns(names, {}, str(found[0]), needed=["item_id"])["item_id"]
    items = _read_items(found[0], encoding, names, item, text_columns)
    kept = set(items.columns)
    used = {name: as_ for name, as_ in _named(names, item).items() if as_ in kept}
    tables = (reading, table_reading(found[0], names, used))
    return RawLog(interactions, path, items, found[0], True, Reading(tables=tables))


def read_items(
    path: Path,
    encoding: str = "utf-8",
    text_columns: Sequence[str] | None = None,
    item_column: str | None = None,
) -> pl.DataFrame:
    """A table of items alone: ``item_id`` and columns of text; see :func:`read`.

    Raises:
        DataError: it cannot be read, or has no column that names the item.
    """
    names = _column_names(path, encoding)
    chosen = {} if item_column is None else {"item_id": item_column}
    item = find_columns(names, chosen, str(path), needed=["item_id"])["item_id"]
    return _read_items(path, encoding, names, item, text_columns)


def _names(stem: str) -> list[str]:
    return [stem + ending for ending in ENDINGS]


def _is_table_of_interactions(path: Path) -> bool:
    if path.suffix != ".parquet" and not first_line_of(path):
        return False
    names = _column_names(path)
    return {"user_id", "item_id"} <= set(find_columns(names, {}, str(path), needed=()))


def _read_interactions(path: Path, encoding: str, roles: dict[str, str]) -> pl.DataFrame:
    if path.suffix == ".parquet":
        table = read_parquet(path, list(roles.values()))
    else:
        types = {column: TYPES[role] for role, column in roles.items()}
        table = _read_text(path, encoding, types)
    table = with_sessions(table.rename({column: role for role, column in roles.items()}), roles)
    if "time" in roles and (unit := unit_of(roles["time"])) != 1.0:
        table = table.with_columns(in_seconds(table["time"], str(path), unit).alias("time"))
    return table


def _read_items(
    path: Path, encoding: str, names: list[str], item: str, text_columns: Sequence[str] | None
) -> pl.DataFrame:
    wanted = names if text_columns is None else list(text_columns)
    present = set(names)
    for name in wanted:
        if name not in present:
            raise DataError(f"{path}: no column {name!r} among {listed(names)}")
    columns = list(dict.fromkeys([item, *wanted]))
    if text_columns is None:
        columns = [name for name in columns if name == item or not names_address(name)]
        if len(columns) > MOST_COLUMNS:
            raise DataError(
                f"{path}: {len(columns):,} columns; expected at most {MOST_COLUMNS:,}, so name "
                "those that describe an item (text_columns=['title', …] in Python), or leave the "
                "others out of the file"
            )
    if path.suffix == ".parquet":
        table = read_parquet(path, columns)
    else:
        table = _read_text(path, encoding, dict.fromkeys(columns, pl.String))
    named = _named(columns, item)
    ids = as_ids(table[item], str(path)).alias("item_id")
    texts = [as_texts(table[name]).alias(named[name]) for name in columns if name != item]
    if text_columns is None:
        texts = [text for text in texts if text.name == "title" or not holds_numbers(text)]
        texts = [text for text in texts if not holds_addresses(text)]
    kept = pl.DataFrame([ids, *texts])
    return kept.with_columns(spaced(name) for name in LISTS if name in kept.columns)


def _named(names: Iterable[str], item: str) -> dict[str, str]:
    """What the catalogue calls each column of a table of items."""
    names = list(names)
    named = {name: name for name in names} | {item: "item_id"}
    title = title_of((name for name in names if name != item), item)
    return named | ({title: "title"} if title is not None else {})


def _read_text(path: Path, encoding: str, types: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    return read_delimited(path, types, separator=_separator(path), encoding=encoding)


def _separator(path: Path) -> str:
    """What stands between the names of the first line."""
    if ".tsv" in path.suffixes:
        return "\t"
    line = first_line_of(path)
    return next((separator for separator in SEPARATORS if separator in line), ",")


def _column_names(path: Path, encoding: str = "utf-8") -> list[str]:
    if path.suffix == ".parquet":
        return parquet_columns(path)
    return read_header(path, _separator(path), encoding=encoding)


FORMAT = Format(
    "plain",
    "interactions.csv, .tsv (.gz) or .parquet (columns user_id, item_id, …), and items likewise",
    recognises,
    read,
)
