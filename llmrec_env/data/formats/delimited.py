"""Reads delimited text (CSV, TSV) into typed columns; errors name the line.

polars reads the files that it reads as Python's csv does, which are nearly all. The others (bare
quotes, line ends of old Macs, a field that does not fit) go through Python, which takes what can be
taken and names the line of the rest.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed, shown
from llmrec_env.data.formats.python_csv import dialect_of, read_by_python
from llmrec_env.data.formats.raw_text import (
    Source,
    first_bytes_of,
    first_line,
    line_chunks,
    text_of,
    utf8_source,
)

Types = Mapping[str, Any]
NEVER = "\x01"
"""A byte that no table holds: with it as the separator, a line is one field."""


def read_delimited(
    path: Path,
    types: Types,
    *,
    optional: Collection[str] = (),
    header: bool = True,
    separator: str = ",",
    quote: str | None = '"',
    encoding: str = "utf-8",
    rows: pl.Expr | None = None,
) -> pl.DataFrame:
    """Read the columns named in ``types``; others are passed over, and so are blank lines.

    Args:
        path: a text file, gzipped or not.
        types: the type of each column; without a header, of all columns in their order.
        optional: columns that may be absent.
        header: whether the first line names the columns.
        separator: one byte between the fields.
        quote: what may enclose a field, or None.
        encoding: as Python names it; a byte order mark in the file says more.
        rows: which rows to keep; the others never come into memory.

    Raises:
        DataError: the file is empty, lacks a column, has another encoding, or a line does not fit.
    """
    source = utf8_source(path, encoding)
    names = _header(path, source, separator, quote) if header else list(types)
    _check_columns(path, names, types, optional)
    wanted = [name for name in names if name in types]
    if _is_regular(source, len(names), len(wanted) < len(names), separator, quote):
        frame = _scan(source, names, types, separator, quote, header)
        kept = frame.select(wanted) if rows is None else frame.select(wanted).filter(rows)
        try:
            return _without_blank_lines(kept.collect(), frame, rows)
        except pl.exceptions.NoDataError:
            raise DataError(f"{path}: the file is empty; expected {list(types)}") from None
        except (pl.exceptions.PolarsError, OSError):
            pass  # Python takes more, or knows the line
    table = read_by_python(
        path, text_of(path, source), names, types, dialect_of(separator, quote), int(header)
    )
    return table.select(wanted) if rows is None else table.select(wanted).filter(rows)


def read_header(
    path: Path, separator: str = ",", quote: str | None = '"', encoding: str = "utf-8"
) -> list[str]:
    """The column names in the first line.

    Raises:
        DataError: the file is empty, or names a column twice.
    """
    return _header(path, utf8_source(path, encoding), separator, quote)


def _header(path: Path, source: Source, separator: str, quote: str | None) -> list[str]:
    start = first_bytes_of(source)
    try:
        line = first_line(start)
    except UnicodeDecodeError:
        line = first_line(text_of(path, source).encode())  # which names the line
    if not line.strip():
        what = "the first line is blank" if start else "the file is empty"
        raise DataError(f"{path}: {what}; expected a first line with column names")
    try:
        names = next(csv.reader([line], **dialect_of(separator, quote)))
    except csv.Error as error:
        raise DataError(f"{path}, line 1: {error}; expected column names") from None
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise DataError(f"{path}: column {shown(name)} occurs twice in {listed(names)}; rename one")
    return names


def _check_columns(path: Path, names: list[str], types: Types, optional: Collection[str]) -> None:
    present = set(names)
    for column in types:
        if column not in present and column not in optional:
            extra = [name for name in types if name in optional]
            others = f", and what there is of {extra}" if extra else ""
            needed = [name for name in types if name not in optional]
            raise DataError(
                f"{path}: no column {column!r} among {listed(names)}; expected {needed}{others}"
            )


def _scan(
    source: Source, names: list[str], types: Types, separator: str, quote: str | None, header: bool
) -> pl.LazyFrame:
    """The file by polars: the columns of ``types`` in their types, the others as text."""
    return pl.scan_csv(
        source,
        has_header=header,
        separator=separator,
        quote_char=quote,
        schema={name: types.get(name, pl.String) for name in names},
        glob=False,
    )


def _is_regular(
    source: Source, n_fields: int, some: bool, separator: str, quote: str | None
) -> bool:
    """Whether polars reads a file as Python's csv does.

    Args:
        source: the file.
        n_fields: how many fields a line has at most.
        some: whether not all fields are read. polars then cuts a longer line without a word.
        separator, quote: as of :func:`read_delimited`.
    """
    for chunk in line_chunks(source):
        if b"\r" in chunk and chunk.count(b"\r") != chunk.count(b"\r\n"):
            return False  # ends of lines as of old Macs
        quoted = quote if quote is not None and quote.encode() in chunk else None
        if (quoted or some) and _has_odd_lines(chunk, n_fields, separator, quoted):
            return False
    return True


def _has_odd_lines(chunk: bytes, n_fields: int, separator: str, quote: str | None) -> bool:
    """Whether a line has too many fields, or quotes anywhere but around and doubled in a field."""
    line = pl.col("line").str.strip_chars_end("\r")
    odd = pl.lit(False)
    if quote is not None:
        q, s = re.escape(quote), re.escape(separator)
        field = f"(?:[^{q}{s}]*|{q}(?:[^{q}]|{q}{q})*{q})"
        odd = line.str.contains(quote, literal=True) & ~line.str.contains(
            f"^{field}(?:{s}{field})*$"
        )
        line = line.str.replace_all(f"{q}(?:[^{q}]|{q}{q})*{q}", quote)
    filled = line.str.strip_chars_end(separator)  # more fields with nothing in them do no harm
    odd |= filled.str.count_matches(separator, literal=True) >= n_fields
    try:
        return _scan(chunk, ["line"], {}, NEVER, None, False).filter(odd).collect().height > 0
    except pl.exceptions.PolarsError:
        return True


def _without_blank_lines(
    table: pl.DataFrame, frame: pl.LazyFrame, rows: pl.Expr | None
) -> pl.DataFrame:
    """The table without the rows for which the file has a line and nothing on it."""
    if rows is not None or not any(table[name].null_count() for name in table.columns):
        return table
    nothing = pl.all_horizontal(pl.all().cast(pl.String).str.strip_chars().fill_null("") == "")
    blank = frame.select(nothing).collect().to_series()
    return table.filter(~blank) if blank.any() else table
