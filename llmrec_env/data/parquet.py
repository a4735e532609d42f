"""Reads parquet: one file, by its literal path."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError

UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What polars raises for a damaged file; its decoder panics at some."""


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns.

    Raises:
        DataError: the file is no parquet.
    """
    try:
        with path.open("rb") as file:
            return list(pl.read_parquet_schema(file))
    except UNREADABLE as error:
        raise _refusal(path, error) from None


def read_parquet(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Some columns or all, in their own types.

    Raises:
        DataError: the file is no parquet, or damaged.
    """
    try:
        return pl.read_parquet(path, columns=columns, glob=False, hive_partitioning=False)
    except UNREADABLE as error:
        raise _refusal(path, error) from None


def _refusal(path: Path, error: BaseException) -> DataError:
    reason = str(error).split("\n", 1)[0][:200]
    return DataError(f"{path}: cannot be read as parquet ({reason}); write the file again")
