"""Reader of Coat Shopping: matrices of ratings, ``train.ascii`` and ``test.ascii``.

290 people rated 24 coats of their own choice (``train.ascii``) and 16 of 300 drawn at random
(``test.ascii``), from 1 to 5. A matrix has a line a person and a column a coat; 0 is no rating.
Nothing tells the order, and what is known of the coats is no text.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.data.formats.base import Format, LogFiles, RawLog
from llmrec_env.data.formats.raw_text import first_line_of
from llmrec_env.data.reading import Reading, TableReading

CHOSEN, DRAWN = "train.ascii", "test.ascii"
HIGHEST = 5


def recognises(source: LogFiles) -> bool:
    """A matrix of digits: ``train.ascii`` of a folder, or one of the two by its name."""
    found = source.candidates(CHOSEN) if source.path.is_dir() else source.candidates(CHOSEN, DRAWN)
    return bool(found) and set(first_line_of(found[0]).split()) <= set("012345")


def read(source: LogFiles) -> RawLog:
    """Ratings of a folder's ``train.ascii``, or of the file that is named."""
    path = source.only(CHOSEN) if source.path.is_dir() else source.path
    try:
        matrix = np.loadtxt(path, dtype=np.int64, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: expected lines of whole numbers, one a coat ({error})") from None
    if not matrix.size or matrix.min() < 0 or matrix.max() > HIGHEST:
        raise DataError(f"{path}: expected ratings from 1 to {HIGHEST}, and 0 where there is none")
    users, items = np.nonzero(matrix)
    interactions = pl.DataFrame(
        {
            "user_id": pl.Series(users).cast(pl.String),
            "item_id": pl.Series(items).cast(pl.String),
            "rating": pl.Series(matrix[users, items]).cast(pl.Float32),
        }
    )
    used = {"line": "user_id", "column": "item_id", "number": "rating"}
    return RawLog(interactions, path, reading=Reading(tables=(TableReading(path.name, used),)))


FORMAT = Format("coat", "train.ascii, test.ascii (Coat Shopping)", recognises, read)
