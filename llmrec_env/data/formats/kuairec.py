"""Reader of KuaiRec: ``big_matrix.csv`` and ``small_matrix.csv``.

What people watched of short videos: in the big matrix what was shown to them, in the small one
nearly every one of 3,327 videos for 1,411 of them. The feedback is ``watch_ratio``, the time
watched over the video's length, which may be above 1. Captions are not read.
"""

from __future__ import annotations

import polars as pl

from llmrec_env.data.formats.base import Format, LogFiles, RawLog
from llmrec_env.data.formats.delimited import read_delimited
from llmrec_env.data.formats.raw_text import first_line_of
from llmrec_env.data.reading import Reading, TableReading

SHOWN, NEARLY_ALL = "big_matrix.csv", "small_matrix.csv"
COLUMNS = {
    "user_id": "user_id",
    "video_id": "item_id",
    "timestamp": "time",
    "watch_ratio": "weight",
}
TYPES = {
    "user_id": pl.String,
    "video_id": pl.String,
    "timestamp": pl.Float64,
    "watch_ratio": pl.Float32,
}


def recognises(source: LogFiles) -> bool:
    """The big matrix of a folder, or one of the two by its name, with a ``watch_ratio``."""
    names = (SHOWN,) if source.path.is_dir() else (SHOWN, NEARLY_ALL)
    found = source.candidates(*names)
    return bool(found) and "watch_ratio" in first_line_of(found[0])


def read(source: LogFiles) -> RawLog:
    """Views of a folder's big matrix, or of the file that is named.

    Some views of the small matrix have no time. Then no time is read, and nobody knows the order.
    """
    path = source.only(SHOWN) if source.path.is_dir() else source.path
    views = read_delimited(path, TYPES).rename(COLUMNS)
    if views["time"].null_count():
        views = views.drop("time")
    kept = {name: role for name, role in COLUMNS.items() if role in views.columns}
    used = TableReading(path.name, kept)
    return RawLog(views, path, reading=Reading(tables=(used,)))


FORMAT = Format("kuairec", f"{SHOWN}, {NEARLY_ALL} (KuaiRec)", recognises, read)
