"""Reader of MovieLens 100K: ``u.data`` and ``u.item``."""

from __future__ import annotations

import polars as pl

from llmrec_env.data.formats.base import Format, LogFiles, RawLog
from llmrec_env.data.formats.delimited import read_delimited
from llmrec_env.data.formats.text import natural_title
from llmrec_env.data.reading import Reading, TableReading

RATINGS = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float32, "time": pl.Int64}
ITEM = {"item_id": "item_id", "title": "title", "19 flags": "genres"}
FIELDS = ("item_id", "title", "release", "video_release", "url")
GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)


def recognises(source: LogFiles) -> bool:
    """``u.data`` and ``u.item`` in one folder."""
    return source.has("u.data", "u.item")


def read(source: LogFiles) -> RawLog:
    """Ratings with their times; titles and genres."""
    ratings_path, items_path = source.folder / "u.data", source.folder / "u.item"
    items = read_delimited(
        items_path,
        dict.fromkeys(FIELDS + GENRES, pl.String),
        header=False,
        separator="|",
        quote=None,
        encoding="iso-8859-1",
    )
    named = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES[1:]]
    return RawLog(
        read_delimited(ratings_path, RATINGS, header=False, separator="\t", quote=None),
        ratings_path,
        items.select(
            "item_id",
            natural_title("title").alias("title"),
            pl.concat_str(named, separator=", ", ignore_nulls=True).alias("genres"),
        ),
        items_path,
        reading=Reading(
            tables=(
                TableReading(ratings_path.name, {name: name for name in RATINGS}),
                TableReading(items_path.name, ITEM, FIELDS[2:]),
            )
        ),
    )


FORMAT = Format("movielens_100k", "u.data, u.item", recognises, read)
