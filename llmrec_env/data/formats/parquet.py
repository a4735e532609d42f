"""Reads parquet: one file, by its literal path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns.

    Raises:
        DataError: the file is no parquet.
    """
    try:
        with path.open("rb") as file:
            return list(pl.read_parquet_schema(file))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _refusal(path, error) from None


def read_parquet(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Some columns, in their own types.

    Raises:
        DataError: the file is no parquet, or damaged.
    """
    try:
        return pl.read_parquet(path, columns=list(columns), glob=False, hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _refusal(path, error) from None


def _refusal(path: Path, error: Exception) -> DataError:
    reason = str(error).split("\n", 1)[0]
    return DataError(f"{path}: cannot be read as parquet ({reason}); write the file again")
