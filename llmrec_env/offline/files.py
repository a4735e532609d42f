"""The files of a labelled log: the manifest, and one parquet file for each shard.

A part carries a mark of what it was made of, so that one that is empty, cut, or of another table is
known for what it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.files import fingerprint, local_path, read_json

MANIFEST = "manifest.json"
OLD_MANIFEST = "plan.json"  # its name before version 0.1
MARK = "llmrec"
"""Key of a part's mark in its parquet metadata."""
LOG = "log"
"""The mark of the shards of the log itself."""
SETTINGS = ("simulator", "augment", "dtype", "shard_rows")
UNMARKED = 1
"""The format of folders whose parts had no marks."""
DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What polars raises at a file that is no whole parquet."""


def manifest_path(folder: Path) -> Path:
    """Where the manifest of a folder stands, under either name, or is to stand."""
    old = folder / OLD_MANIFEST
    return old if old.exists() else folder / MANIFEST


def shard_path(folder: Path, number: int) -> Path:
    """Where the file of a shard stands: ``part-00000.parquet`` and so on."""
    return folder / f"part-{number:05d}.parquet"


def marks(manifest: Mapping[str, Any]) -> list[str]:
    """The mark of each part, by what a manifest says: who labelled what, and how."""
    how = json.dumps([manifest[name] for name in SETTINGS])
    return [fingerprint([how, json.dumps(shard)]) for shard in manifest["shards"]]


def is_made(path: Path, mark: str) -> bool:
    """Whether a part is there and whole: one that is empty or cut is none.

    Raises:
        DataError: a file of another origin stands there.
    """
    if not path.exists():
        return False
    try:
        found = pl.read_parquet_metadata(path).get(MARK)
    except DAMAGED:
        return False
    if found != mark:
        raise DataError(
            f"{path} is not the part that this run writes there, but a file of another origin; "
            "move it away and repeat the command"
        )
    return True


def missing_shards(folder: Path, marks: list[str]) -> list[int]:
    """The numbers of the shards whose files are not there yet, or no more.

    Raises:
        DataError: in the place of one stands a file of another origin.
    """
    return [n for n, mark in enumerate(marks) if not is_made(shard_path(folder, n), mark)]


def shard_paths(folder: str | os.PathLike[str]) -> list[Path]:
    """The files of all shards, in order.

    Raises:
        DataError: the folder has no manifest, or lacks a file that its manifest names, or that is
            damaged or another.
    """
    folder = local_path(folder, "folder of transitions")
    path = manifest_path(folder)
    if not path.exists():
        raise DataError(
            f"{folder} holds no parts of a table: there is no {MANIFEST} in it; `llmrec label` "
            "makes such folders"
        )
    manifest = read_json(path)
    try:
        names = marks(manifest)
    except (KeyError, TypeError):
        raise DataError(f"{path} is not the manifest of a labelled log") from None
    paths = [shard_path(folder, number) for number in range(len(names))]
    if manifest.get("format") == UNMARKED:
        missing = [number for number, part in enumerate(paths) if not part.exists()]
    else:
        missing = missing_shards(folder, names)
    if missing:
        raise DataError(
            f"{folder}: {len(missing)} of {len(paths)} parts are not there yet, or not whole, the "
            f"first of them {paths[missing[0]].name}; repeat the command that made the folder, it "
            "makes only those"
        )
    return paths


def read_part(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """A parquet file by its literal name.

    Raises:
        DataError: it is not there, or damaged.
    """
    try:
        return pl.read_parquet(path, columns=columns, glob=False)
    except DAMAGED as error:
        reason = " ".join(str(error).split()) if path.exists() else "no such file"
        raise DataError(f"{path}: expected a table in parquet: {reason}") from None


def count_rows(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Rows of all files, and how many of them a simulator added; errors as :func:`shard_paths`."""
    counts = [read_part(path, ["augmented"])["augmented"] for path in shard_paths(folder)]
    return sum(map(len, counts)), sum(int(marked.sum()) for marked in counts)
