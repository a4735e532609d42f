"""Reader of your own tables: ``interactions`` and ``items`` as csv, csv.gz or parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.data.formats.base import Format, LogFiles, RawLog, first_line
from llmrec_env.data.formats.delimited import Types, read_delimited, read_header
from llmrec_env.data.formats.text import spaced

ENDINGS = (".csv", ".csv.gz", ".parquet")
TIMES = ("timestamp", "time")
COLUMNS = {
    "user_id": pl.String,
    "item_id": pl.String,
    "timestamp": pl.String,
    "time": pl.String,
    "rating": pl.Float32,
    "event": pl.String,
    "weight": pl.Float32,
}
LISTS = ("category", "categories", "genres", "tags")
REQUIRED = ("user_id", "item_id")


def recognises(source: LogFiles) -> bool:
    """A table called ``interactions``, or one table of that kind named by its file."""
    if source.candidates(*_names("interactions")):
        return True
    named = source.candidates(*_names("*")) if source.path.is_file() else []
    return any(set(REQUIRED) <= set(_column_names(path)) for path in named)


def read(
    source: LogFiles, encoding: str = "utf-8", text_columns: Sequence[str] | None = None
) -> RawLog:
    """Columns ``user_id``, ``item_id`` and any of ``timestamp`` or ``time``, ``rating``, ``event``
    and ``weight``; others are passed over.

    Times are numbers (seconds) or ISO dates. Where there is an ``items`` table with a column
    ``item_id``, it must name every seen item.

    Args:
        source: where the files stand.
        encoding: of csv files, as Python names it.
        text_columns: the columns of ``items`` that describe an item; by default all that do not
            hold numbers alone.
    """
    by_name = source.path.is_file() and not source.candidates(*_names("interactions"))
    path = source.path if by_name else source.only(*_names("interactions"))
    table = _read_table(path, encoding, COLUMNS, required=REQUIRED)
    times = [name for name in TIMES if name in table.columns]
    if len(times) == 2:
        raise DataError(f"{path}: both columns {TIMES} are there; expected one of them")
    interactions = table.rename(dict.fromkeys(times, "time"))
    found = source.neighbours(*_names("items"))
    if not found:
        return RawLog(interactions, path)
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise DataError(f"{source.folder}: expected one table of items, found {names}; remove one")
    return RawLog(interactions, path, _read_items(found[0], encoding, text_columns), found[0], True)


def _names(stem: str) -> list[str]:
    return [stem + ending for ending in ENDINGS]


def _read_items(path: Path, encoding: str, text_columns: Sequence[str] | None) -> pl.DataFrame:
    wanted = _column_names(path, encoding) if text_columns is None else list(text_columns)
    types = dict.fromkeys(["item_id", *wanted], pl.String)
    table = _read_table(path, encoding, types, required=list(types))
    table = table.with_columns(spaced(name) for name in LISTS if name in table.columns)
    if text_columns is not None:
        return table
    return table.select(
        column for column in table if column.name == "item_id" or not _only_numbers(column)
    )


def _read_table(path: Path, encoding: str, types: Types, required: Sequence[str]) -> pl.DataFrame:
    if path.suffix != ".parquet":
        optional = set(types) - set(required)
        return read_delimited(path, types, optional=optional, encoding=encoding)
    names = _column_names(path)
    for column in required:
        if column not in names:
            raise DataError(
                f"{path}: no column {column!r} among {names}; expected {list(required)}"
            )
    table = pl.read_parquet(path, columns=[name for name in names if name in types])
    # A time keeps its own type, which may be a date.
    return table.cast({name: types[name] for name in table.columns if name not in TIMES})


def _column_names(path: Path, encoding: str = "utf-8") -> list[str]:
    if path.suffix != ".parquet":
        return read_header(path, encoding=encoding) if first_line(path) else []
    try:
        return list(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        raise DataError(f"{path}: cannot be read as parquet ({reason})") from None


def _only_numbers(texts: pl.Series) -> bool:
    filled = texts.drop_nulls()
    return len(filled) > 0 and filled.cast(pl.Float64, strict=False).null_count() == 0


FORMAT = Format(
    "plain",
    "interactions.csv, .csv.gz or .parquet (columns user_id, item_id, …), and items likewise",
    recognises,
    read,
)
