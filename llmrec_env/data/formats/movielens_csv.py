"""Reader of MovieLens 20M, 25M, 32M, latest and latest-small: ``ratings.csv``, ``movies.csv``."""

from __future__ import annotations

import polars as pl

from llmrec_env.data.formats.base import Format, LogFiles, RawLog, table_reading
from llmrec_env.data.formats.delimited import read_delimited, read_header
from llmrec_env.data.formats.raw_text import first_line_of
from llmrec_env.data.formats.text import joined, natural_title
from llmrec_env.data.reading import Reading

RATINGS = {"userId": pl.String, "movieId": pl.String, "rating": pl.Float32, "timestamp": pl.Int64}
FILM = {"movieId": "item_id", "title": "title", "genres": "genres"}
MOVIES = {"movieId": pl.String, "title": pl.String, "genres": pl.String}
NAMES = {"userId": "user_id", "movieId": "item_id", "rating": "rating", "timestamp": "time"}


def recognises(source: LogFiles) -> bool:
    """``movies.csv`` beside a ``ratings.csv`` that speaks of movies."""
    return source.has("ratings.csv", "movies.csv") and "movieId" in first_line_of(
        source.folder / "ratings.csv"
    )


def read(source: LogFiles) -> RawLog:
    """Ratings with their times; titles and genres."""
    ratings_path, items_path = source.folder / "ratings.csv", source.folder / "movies.csv"
    ratings = read_header(ratings_path)
    films = table_reading(items_path, read_header(items_path), FILM)
    movies = read_delimited(items_path, MOVIES).rename({"movieId": "item_id"})
    return RawLog(
        read_delimited(ratings_path, RATINGS).rename(NAMES),
        ratings_path,
        movies.with_columns(natural_title("title"), joined("genres", "|")),
        items_path,
        reading=Reading(tables=(table_reading(ratings_path, ratings, NAMES), films)),
    )


FORMAT = Format("movielens_csv", "ratings.csv, movies.csv", recognises, read)
