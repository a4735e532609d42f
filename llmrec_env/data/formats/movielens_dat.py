"""Reader of MovieLens 1M and 10M: ``ratings.dat`` and ``movies.dat``, separated by ``::``."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import shown
from llmrec_env.data.formats.base import Format, LogFiles, RawLog
from llmrec_env.data.formats.delimited import NEVER, Types, read_delimited
from llmrec_env.data.formats.raw_text import encoding_of
from llmrec_env.data.formats.text import joined, natural_title
from llmrec_env.data.reading import Reading, TableReading

RATINGS = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float32, "time": pl.Int64}
MOVIES = {"item_id": pl.String, "title": pl.String, "genres": pl.String}

RATING = "^(.*?)::(.*?)::(.*?)::(.*)$"
MOVIE = "^(.*?)::(.*)::(.*)$"
"""A title may hold the separator, so it goes to the last one."""


def recognises(source: LogFiles) -> bool:
    """``ratings.dat`` and ``movies.dat`` in one folder."""
    return source.has("ratings.dat", "movies.dat")


def read(source: LogFiles) -> RawLog:
    """Ratings with their times; titles and genres. 1M is ISO-8859-1 and 10M is UTF-8."""
    ratings_path, items_path = source.folder / "ratings.dat", source.folder / "movies.dat"
    movies = _read_dat(items_path, MOVIES, MOVIE, encoding_of(items_path))
    return RawLog(
        _read_dat(ratings_path, RATINGS, RATING),
        ratings_path,
        movies.with_columns(natural_title("title"), joined("genres", "|")),
        items_path,
        reading=Reading(
            tables=(
                TableReading(ratings_path.name, {name: name for name in RATINGS}),
                TableReading(items_path.name, {name: name for name in MOVIES}),
            )
        ),
    )


def _read_dat(path: Path, types: Types, pattern: str, encoding: str = "utf-8") -> pl.DataFrame:
    """polars parts fields by one byte only, so each line is read whole and then parted."""
    lines = read_delimited(
        path, {"line": pl.String}, header=False, separator=NEVER, quote=None, encoding=encoding
    )
    fields = lines["line"].str.extract_groups(pattern).struct.unnest()
    fields.columns = list(types)
    table = fields.select(pl.col(name).cast(dtype, strict=False) for name, dtype in types.items())
    for name in types:
        bad = table[name].is_null().arg_true()
        if len(bad):
            raise DataError(
                f"{path}, line {bad[0] + 1}: {shown(lines['line'][bad[0]])} has no valid {name}; "
                f"expected {'::'.join(types)}"
            )
    return table


FORMAT = Format("movielens_dat", "ratings.dat, movies.dat", recognises, read)
