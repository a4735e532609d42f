"""Reads JSON lines into typed columns; errors name the line."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.data.formats.base import first_line, open_bytes

Schema = Mapping[str, Any]


def read_json_lines(path: Path, schema: Schema, loose: bool = False) -> pl.DataFrame:
    """Read the fields of ``schema``; absent ones are null, others are passed over.

    Args:
        path: a file of one object a line, gzipped or not.
        schema: fields of type String, List(String) or a number.
        loose: also take lines that are Python literals (single quotes), and fields whose shape
            changes from line to line. It makes Python objects: for items, not for interactions.

    Raises:
        DataError: the file is empty, or a line is malformed, naming the line.
    """
    if not first_line(path).strip():
        raise DataError(f"{path}: the file is empty; expected one JSON object a line")
    try:
        return pl.read_ndjson(path, schema=dict(schema))
    except (pl.exceptions.PolarsError, OSError) as error:
        if not loose:
            _name_the_line(path, schema, error)
    columns: dict[str, list[Any]] = {name: [] for name in schema}
    for _, record in _records(path, loose=True):
        for name, dtype in schema.items():
            columns[name].append(_coerce(record.get(name), dtype))
    return pl.DataFrame(columns, schema=dict(schema))


def first_record(path: Path) -> dict[str, Any]:
    """The object in the first line, or an empty one where that is no object."""
    try:
        return _parse(first_line(path), loose=True)
    except ValueError:
        return {}


def _name_the_line(path: Path, schema: Schema, error: Exception) -> NoReturn:
    for line, record in _records(path, loose=False):
        for name, dtype in schema.items():
            value = record.get(name)
            if dtype.is_numeric() and not isinstance(value, int | float | None):
                raise DataError(f"{path}, line {line}: {name!r} is {value!r}; expected a number")
    reason = str(error).split("\n", 1)[0]
    raise DataError(f"{path}: cannot be read as JSON lines ({reason})") from error


def _records(path: Path, loose: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and objects, by Python."""
    try:
        with open_bytes(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _parsed_line(path, number, line, loose)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); fetch the file again") from None


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
    except (ValueError, RecursionError):
        if not loose:
            raise
        record = _literal(line)
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__}, not an object")
    return record


def _literal(line: str) -> Any:
    """A Python literal; ``literal_eval`` runs no code."""
    try:
        return ast.literal_eval(line)
    except (SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError(f"neither JSON nor a Python literal: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _coerce(value: Any, dtype: Any) -> Any:
    if dtype == pl.List(pl.String):
        return _strings(value)
    if dtype == pl.String and value is not None and not isinstance(value, str):
        return ", ".join(_strings(value))
    return value


def _strings(value: Any) -> list[str]:
    """All texts in a value, however nested, each once."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return list(dict.fromkeys(text for part in value for text in _strings(part)))
    return [str(value)]
