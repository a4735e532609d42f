"""Reads delimited text by Python's csv: slower than polars, but it takes more, and names lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed, shown

ROWS = 50_000
"""Rows that are Python objects at once."""


def read_by_python(
    path: Path,
    text: str,
    names: list[str],
    types: Mapping[str, Any],
    dialect: Mapping[str, Any],
    skip: int = 0,
) -> pl.DataFrame:
    """The columns of ``types``; empty fields are null and blank lines are skipped.

    Args:
        path: the file, for errors.
        text: all of it.
        names: its columns, in their order.
        types: the columns to read, with their types.
        dialect: separator and quotes, as ``csv.reader`` takes them.
        skip: rows that name the columns, 1 or 0.

    Raises:
        DataError: a line has too many fields, a field that is no number where one is expected, or
            quotes that end nowhere.
    """
    places = [(place, name, types[name]) for place, name in enumerate(names) if name in types]
    tables: list[pl.DataFrame] = []
    columns: list[list[Any]] = [[] for _ in places]
    for number, (line, fields) in enumerate(_records(path, text, dialect)):
        if number < skip:
            continue
        if any(fields[len(names) :]):
            raise DataError(
                f"{path}, line {line}: {len(fields)} fields, expected {len(names)} "
                f"({listed(names)}); put quotes around a field that holds "
                f"{dialect['delimiter']!r}"
            )
        for column, (place, name, dtype) in zip(columns, places, strict=True):
            field = fields[place] if place < len(fields) else ""
            column.append(_value(path, line, name, field, dtype))
        if len(columns[0]) == ROWS:
            tables.append(_frame(places, columns))
            columns = [[] for _ in places]
    return pl.concat([*tables, _frame(places, columns)])


def dialect_of(separator: str, quote: str | None) -> dict[str, Any]:
    """What ``csv.reader`` is to be told."""
    if quote is None:
        return {"delimiter": separator, "quoting": csv.QUOTE_NONE, "strict": True}
    return {"delimiter": separator, "quotechar": quote, "strict": True}


def _records(path: Path, text: str, dialect: Mapping[str, Any]) -> Iterator[tuple[int, list[str]]]:
    """The line in which each record ends, and its fields; blank lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), **dialect)
    while True:
        begin = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}, line {begin}: a quote opens a field and does not close it rightly "
                f'({error}); expected " as "" within quotes, and a separator after them'
            ) from None
        if any(field.strip() for field in fields):
            yield reader.line_num, fields


def _value(path: Path, line: int, name: str, field: str, dtype: Any) -> Any:
    if field == "":
        return None
    if not dtype.is_numeric():
        return field
    try:
        number = int(field) if dtype.is_integer() else float(field)
        if dtype.is_integer() and abs(number) >= 1 << 63:
            raise ValueError
        return number
    except ValueError:
        kind = "whole number" if dtype.is_integer() else "number"
        raise DataError(
            f"{path}, line {line}: column {name!r} holds {shown(field)}; expected a {kind}"
        ) from None


def _frame(places: list[tuple[int, str, Any]], columns: list[list[Any]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            name: pl.Series(values, dtype=dtype, strict=False)
            for (_, name, dtype), values in zip(places, columns, strict=True)
        }
    )
