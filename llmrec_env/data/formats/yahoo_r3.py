"""Reader of Yahoo! R3: ``ydata-ymusic-rating-study-v1_0-train.txt`` and ``…-test.txt``.

15,400 people rated songs of their own choice (train), and 5,400 of them ten songs of 1,000 that
were drawn at random (test), from 1 to 5. A line has user, song and rating, with tabs between.
Nothing tells the order, and nothing is known of the songs.
"""

from __future__ import annotations

import polars as pl

from llmrec_env.data.formats.base import Format, LogFiles, RawLog
from llmrec_env.data.formats.delimited import read_delimited
from llmrec_env.data.reading import Reading, TableReading

CHOSEN, DRAWN = (f"ydata-ymusic-rating-study-v1_0-{part}.txt" for part in ("train", "test"))
TYPES = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float32}


def recognises(source: LogFiles) -> bool:
    """The training file of a folder, or one of the two by its name."""
    names = (CHOSEN,) if source.path.is_dir() else (CHOSEN, DRAWN)
    return bool(source.candidates(*names))


def read(source: LogFiles) -> RawLog:
    """Ratings of a folder's training file, or of the file that is named."""
    path = source.only(CHOSEN) if source.path.is_dir() else source.path
    ratings = read_delimited(path, TYPES, header=False, separator="\t", quote=None)
    used = TableReading(path.name, {name: name for name in TYPES})
    return RawLog(ratings, path, reading=Reading(tables=(used,)))


FORMAT = Format("yahoo_r3", f"{CHOSEN}, {DRAWN} (Yahoo! R3)", recognises, read)
