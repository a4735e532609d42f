"""Writes small tables for the tests of reading, and says what a log holds."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from llmrec_env.data import InteractionLog


def write(folder: Path, files: dict[str, str | bytes], encoding: str = "utf-8") -> Path:
    """Write files into a folder, which is made; gzipped where the name says so."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content.encode(encoding) if isinstance(content, str) else content
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def histories(log: InteractionLog) -> dict[str, list[str]]:
    """The item ids of each user, oldest first."""
    ids = np.array(log.catalogue.ids)
    return {
        user: ids[items].tolist() for user, items in zip(log.user_ids, log.sequences(), strict=True)
    }


def texts(log: InteractionLog, column: str) -> dict[str, str]:
    """A text of each item."""
    return dict(log.catalogue.table.select("item_id", column).iter_rows())
