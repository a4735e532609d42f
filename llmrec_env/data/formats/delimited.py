"""Reads delimited text (CSV, TSV) into typed columns; errors name the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.data.formats.base import first_line, open_bytes

Types = Mapping[str, type[pl.DataType]]


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
    """Read the columns named in ``types``; others are passed over.

    Args:
        path: a text file, gzipped or not.
        types: the type of each column; without a header, of all columns in their order.
        optional: columns that may be absent.
        header: whether the first line names the columns.
        separator: one byte between the fields.
        quote: what may enclose a field, or None.
        encoding: as Python names it.
        rows: which rows to keep; the others never come into memory.

    Raises:
        DataError: the file is empty, lacks a column, has another encoding, or a line does not fit.
    """
    names = read_header(path, separator, quote, encoding) if header else list(types)
    for column in types:
        if column not in names and column not in optional:
            extra = [name for name in types if name in optional]
            others = f", and what there is of {extra}" if extra else ""
            needed = [name for name in types if name not in optional]
            raise DataError(
                f"{path}: no column {column!r} among {names}; expected {needed}{others}"
            )
    wanted = [name for name in names if name in types]
    try:
        table = pl.scan_csv(
            _source(path, encoding),
            has_header=header,
            separator=separator,
            quote_char=quote,
            schema=None if header else dict(types),
            schema_overrides={name: types[name] for name in wanted} if header else None,
        ).select(wanted)
        return table.collect() if rows is None else table.filter(rows).collect()
    except pl.exceptions.NoDataError:
        raise DataError(f"{path}: the file is empty; expected {list(types)}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        _name_the_line(path, error, names, types, separator, quote, encoding)


def read_header(
    path: Path, separator: str = ",", quote: str | None = '"', encoding: str = "utf-8"
) -> list[str]:
    """The column names in the first line.

    Raises:
        DataError: the file is empty, or names a column twice.
    """
    line = first_line(path) if encoding == "utf-8" else _text(path, encoding).split("\n", 1)[0]
    if not line.strip():
        raise DataError(f"{path}: the file is empty; expected a first line with column names")
    names = next(csv.reader([line], **_dialect(separator, quote)))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: column {repeated[0]!r} occurs twice in {names}; rename one")
    return names


def _source(path: Path, encoding: str) -> Path | bytes:
    return path if encoding == "utf-8" else _text(path, encoding).encode("utf-8")


def _text(path: Path, encoding: str) -> str:
    with open_bytes(path) as file:
        try:
            return file.read().decode(encoding)
        except LookupError:
            raise DataError(f"unknown encoding {encoding!r}; use a name such as 'utf-8'") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not {encoding} text at byte {error.start}") from None


def _dialect(separator: str, quote: str | None) -> dict[str, Any]:
    if quote is None:
        return {"delimiter": separator, "quoting": csv.QUOTE_NONE}
    return {"delimiter": separator, "quotechar": quote}


def _name_the_line(
    path: Path,
    error: Exception,
    names: list[str],
    types: Types,
    separator: str,
    quote: str | None,
    encoding: str,
) -> NoReturn:
    """Find by Python what polars stumbled over: slower, but it knows the line."""
    text = decode(path) if encoding == "utf-8" else _text(path, encoding)
    numeric = {
        index: name
        for index, name in enumerate(names)
        if name in types and types[name].is_numeric()
    }
    lines = csv.reader(io.StringIO(text, newline=""), **_dialect(separator, quote))
    for fields in lines:
        if len(fields) > len(names):
            raise DataError(
                f"{path}, line {lines.line_num}: {len(fields)} fields, expected {len(names)} "
                f"({', '.join(names)}); put quotes around a field that holds {separator!r}"
            )
        for index, name in numeric.items():
            value = fields[index] if index < len(fields) else ""
            if value and value != name and not _is_number(value, whole=types[name].is_integer()):
                raise DataError(
                    f"{path}, line {lines.line_num}: column {name!r} holds {value!r}; "
                    f"expected a {'whole ' if types[name].is_integer() else ''}number"
                )
    reason = str(error).split("\n", 1)[0]
    raise DataError(f"{path}: cannot be read as delimited text ({reason})") from error


def decode(path: Path) -> str:
    """The whole file as UTF-8.

    Raises:
        DataError: it is in another encoding (naming the line), or a damaged archive.
    """
    try:
        with open_bytes(path) as file:
            content = file.read()
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); fetch the file again") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: not UTF-8 text (byte {content[error.start]:#x}); save the file "
            "as UTF-8, or pass encoding='iso-8859-1' where the format takes an encoding"
        ) from None


def _is_number(text: str, whole: bool) -> bool:
    try:
        int(text) if whole else float(text)
    except ValueError:
        return False
    return True
