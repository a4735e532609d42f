"""Paths of a labelled log's files: the manifest, and one parquet file for each shard."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.files import read_json

MANIFEST = "manifest.json"
OLD_MANIFEST = "plan.json"  # its name before version 0.1


def manifest_path(folder: Path) -> Path:
    """Where the manifest of a folder stands, under either name, or is to stand."""
    old = folder / OLD_MANIFEST
    return old if old.exists() else folder / MANIFEST


def shard_path(folder: Path, number: int) -> Path:
    """Where the file of a shard stands: ``part-00000.parquet`` and so on."""
    return folder / f"part-{number:05d}.parquet"


def missing_shards(folder: Path, n_shards: int) -> list[int]:
    """The numbers of the shards whose files are not there yet."""
    return [number for number in range(n_shards) if not shard_path(folder, number).exists()]


def shard_paths(folder: Path) -> list[Path]:
    """The files of all shards, in order.

    Raises:
        DataError: the folder has no manifest, or lacks a file that its manifest names.
    """
    manifest = manifest_path(folder)
    if not manifest.exists():
        raise DataError(
            f"{folder} holds no parts of a table: there is no {MANIFEST} in it; `llmrec label` "
            "makes such folders"
        )
    n_shards = len(read_json(manifest)["shards"])
    missing = missing_shards(folder, n_shards)
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {n_shards} parts are not there yet, the first of them "
            f"{shard_path(folder, missing[0]).name}; repeat the command that made the folder, it "
            "makes only those"
        )
    return [shard_path(folder, number) for number in range(n_shards)]


def count_rows(folder: Path) -> tuple[int, int]:
    """Rows of all files, and how many of them a simulator added; errors as :func:`shard_paths`."""
    counts = pl.scan_parquet(shard_paths(folder)).select(
        pl.len().alias("rows"), pl.col("augmented").sum()
    )
    rows, added = counts.collect().row(0)
    return rows, added
