"""Reads JSON lines into typed columns; errors name the line.

polars reads stretches of lines. A stretch that it refuses is halved until the odd lines stand
alone, and only those go through Python: they cost what they cost, not the whole file.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import shown
from llmrec_env.data.formats.raw_text import CHUNK, first_line_of, open_utf8, utf8_source

Schema = Mapping[str, Any]

ALONE = 16
"""Lines that are not worth halving any more."""


def read_json_lines(path: Path, schema: Schema, loose: bool = False) -> pl.DataFrame:
    """Read the fields of ``schema``; absent ones are null, others are passed over.

    Args:
        path: a file of one object a line, gzipped or not; blank lines are passed over.
        schema: fields of type String, List(String) or a number.
        loose: also take lines that are Python literals (single quotes), and fields whose shape
            changes from line to line.

    Raises:
        DataError: the file is empty, or a line is malformed, naming the line.
    """
    if not first_line_of(path).strip():
        raise DataError(f"{path}: the file is empty; expected one JSON object a line")
    reader = _Reader(path, schema, loose)
    tables = [reader.table(number, lines) for number, lines in _stretches(path)]
    return pl.concat(tables)


def first_record(path: Path) -> dict[str, Any]:
    """The object in the first line, or an empty one where that is no object."""
    try:
        return _parse(first_line_of(path), loose=True)
    except ValueError:
        return {}


def _stretches(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Lines of a file, many at a time, and the number of the first of them."""
    number = 1
    try:
        with open_utf8(utf8_source(path)) as file:
            while lines := file.readlines(CHUNK):
                yield number, lines
                number += len(lines)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); fetch the file again") from None


class _Reader:
    """Reads lines of one file, by polars where that can."""

    def __init__(self, path: Path, schema: Schema, loose: bool) -> None:
        self.path, self.schema, self.loose = path, dict(schema), loose

    def table(self, number: int, lines: list[bytes]) -> pl.DataFrame:
        """A stretch of lines, of which the first has a number."""
        try:
            return _flat(pl.read_ndjson(b"".join(lines), schema=self.schema))
        except pl.exceptions.PolarsError:
            if len(lines) <= ALONE:
                return self._by_python(number, lines)
        half = len(lines) // 2
        parts = (self.table(number, lines[:half]), self.table(number + half, lines[half:]))
        return pl.concat(parts)

    def _by_python(self, number: int, lines: list[bytes]) -> pl.DataFrame:
        columns: dict[str, list[Any]] = {name: [] for name in self.schema}
        for line, content in enumerate(lines, start=number):
            if content.strip():
                record = _parsed_line(self.path, line, content, self.loose)
                for name, dtype in self.schema.items():
                    columns[name].append(self._value(line, name, record.get(name), dtype))
        return pl.DataFrame(columns, schema=self.schema)

    def _value(self, line: int, name: str, value: Any, dtype: Any) -> Any:
        if value is None:
            return None
        if dtype.is_numeric():
            return self._number(line, name, value)
        if dtype == pl.List(pl.String):
            return _strings(value)
        return value if isinstance(value, str) else ", ".join(_strings(value))

    def _number(self, line: int, name: str, value: Any) -> float:
        try:
            if isinstance(value, bool) or not math.isfinite(number := float(value)):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise DataError(
                f"{self.path}, line {line}: {name!r} is {shown(value)}; expected a number"
            ) from None
        return number


def _flat(table: pl.DataFrame) -> pl.DataFrame:
    """Lists of texts without lists in them, which polars leaves as their JSON."""
    for column in table:
        if column.dtype == pl.List(pl.String):
            nested = column.list.eval(pl.element().str.starts_with("[")).list.any().fill_null(False)
            if nested.any():
                flat = [
                    _strings([_unnested(text) for text in texts]) for texts in column.filter(nested)
                ]
                table = table.with_columns(
                    column.scatter(nested.arg_true(), pl.Series(flat, dtype=column.dtype))
                )
    return table


def _unnested(text: str | None) -> Any:
    if text is None or not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parsed_line(path: Path, number: int, line: bytes, loose: bool) -> dict[str, Any]:
    try:
        return _parse(line.decode("utf-8"), loose)
    except UnicodeDecodeError:
        raise DataError(f"{path}, line {number}: not UTF-8 text; save the file as UTF-8") from None
    except ValueError as error:
        raise DataError(
            f"{path}, line {number}: malformed JSON ({error}); expected one object a line, "
            "so mend or remove the line"
        ) from None


def _parse(line: str, loose: bool) -> dict[str, Any]:
    """One object; ValueError where the line is none."""
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if not loose:
            raise ValueError(str(error)) from None
        record = _literal(line)
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__}, not an object")
    return record


def _literal(line: str) -> Any:
    """A Python literal; ``literal_eval`` runs no code."""
    try:
        return ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        reason = str(error)[:80]
        raise ValueError(f"neither JSON nor a Python literal: {reason}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _strings(value: Any) -> list[str]:
    """All texts in a value, however nested, each once."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return list(dict.fromkeys(text for part in value for text in _strings(part)))
    return [str(value)]
