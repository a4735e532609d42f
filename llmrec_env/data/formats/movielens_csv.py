"""Reader of MovieLens 20M, 25M, 32M, latest and latest-small: ``ratings.csv``, ``movies.csv``."""

from __future__ import annotations

import polars as pl

from llmrec_env.data.formats.base import Format, LogFiles, RawLog, first_line
from llmrec_env.data.formats.delimited import read_delimited
from llmrec_env.data.formats.text import joined, natural_title

RATINGS = {"userId": pl.String, "movieId": pl.String, "rating": pl.Float32, "timestamp": pl.Int64}
MOVIES = {"movieId": pl.String, "title": pl.String, "genres": pl.String}
NO_GENRE = "(no genres listed)"


def recognises(source: LogFiles) -> bool:
    """``movies.csv`` beside a ``ratings.csv`` that speaks of movies."""
    return source.has("ratings.csv", "movies.csv") and "movieId" in first_line(
        source.folder / "ratings.csv"
    )


def read(source: LogFiles) -> RawLog:
    """Ratings with their times; titles and genres."""
    ratings_path, items_path = source.folder / "ratings.csv", source.folder / "movies.csv"
    movies = read_delimited(items_path, MOVIES).rename({"movieId": "item_id"})
    return RawLog(
        read_delimited(ratings_path, RATINGS).rename(
            {"userId": "user_id", "movieId": "item_id", "timestamp": "time"}
        ),
        ratings_path,
        movies.with_columns(
            natural_title("title"), joined("genres", "|").replace(NO_GENRE, "").alias("genres")
        ),
        items_path,
    )


FORMAT = Format("movielens_csv", "ratings.csv, movies.csv", recognises, read)
