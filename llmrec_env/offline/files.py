"""A table in many files: a folder of parquet parts, and a plan that says how many there are."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.files import read_json

PLAN = "plan.json"


def part_path(folder: Path, number: int) -> Path:
    """Where a part stands: ``part-00000.parquet`` and so on."""
    return folder / f"part-{number:05d}.parquet"


def missing_parts(folder: Path, n_parts: int) -> list[int]:
    """The numbers of the parts that are not there yet."""
    return [number for number in range(n_parts) if not part_path(folder, number).exists()]


def all_parts(folder: Path) -> list[Path]:
    """The files of all parts, in order.

    Raises:
        DataError: the folder has no plan, or not all the parts that its plan names.
    """
    if not (folder / PLAN).exists():
        raise DataError(
            f"{folder} holds no parts of a table: there is no {PLAN} in it; `llmrec label` makes "
            "such folders"
        )
    n_parts = len(read_json(folder / PLAN)["shards"])
    missing = missing_parts(folder, n_parts)
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {n_parts} parts are not there yet, the first of them "
            f"{part_path(folder, missing[0]).name}; repeat the command that made the folder, it "
            "makes only those"
        )
    return [part_path(folder, number) for number in range(n_parts)]


def count_rows(folder: Path) -> tuple[int, int]:
    """Rows of all parts, and how many of them a simulator added; errors as :func:`all_parts`."""
    counts = pl.scan_parquet(all_parts(folder)).select(
        pl.len().alias("rows"), pl.col("augmented").sum()
    )
    rows, added = counts.collect().row(0)
    return rows, added
