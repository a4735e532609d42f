"""Reader of Last.fm HetRec 2011: which artists users tagged and when, with play counts."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from llmrec_env.data.formats.base import Format, LogFiles, RawLog, table_reading
from llmrec_env.data.formats.delimited import Types, read_delimited, read_header
from llmrec_env.data.formats.raw_text import encoding_of
from llmrec_env.data.reading import Reading, TableReading

TAGGED = "user_taggedartists.dat"
PLAYED = "user_artists.dat"
PLAYS = {"userID": pl.String, "artistID": pl.String, "weight": pl.Float32}
TAGGINGS = {
    "userID": pl.String,
    "artistID": pl.String,
    "tagID": pl.String,
    "day": pl.Int32,
    "month": pl.Int32,
    "year": pl.Int32,
}
ARTIST = {"id": "item_id", "name": "title"}
NAMES = {"userID": "user_id", "artistID": "item_id"}


def recognises(source: LogFiles) -> bool:
    """``user_taggedartists.dat`` with ``artists.dat``, ``tags.dat`` and ``user_artists.dat``."""
    return source.has(TAGGED, "artists.dat", "tags.dat", PLAYED)


def read(source: LogFiles, max_tags: int = 5) -> RawLog:
    """One interaction for each artist a user tagged, on the date of the first tag.

    The weight is the play count, 0 where the publisher lists none (each user's most played artists
    are listed). An artist's text is its name and the tags given to it most often.

    Args:
        source: where the files stand.
        max_tags: how many tags an artist's text names.
    """
    taggings = _read_dat(source.folder / TAGGED, TAGGINGS).rename(NAMES)
    plays = _read_dat(source.folder / PLAYED, PLAYS).rename(NAMES)
    day = pl.datetime("year", "month", "day").dt.epoch("s")
    first_tags = taggings.group_by("user_id", "item_id", maintain_order=True).agg(
        time=day.min().cast(pl.Int64)
    )
    interactions = first_tags.join(
        plays, on=["user_id", "item_id"], how="left", maintain_order="left"
    ).with_columns(pl.col("weight").fill_null(0))
    artists_path = source.folder / "artists.dat"
    artists = _read_dat(artists_path, {"id": pl.String, "name": pl.String})
    items = artists.rename({"id": "item_id", "name": "title"}).join(
        _tag_texts(source.folder, taggings, max_tags), on="item_id", how="left"
    )
    tables = (
        TableReading(TAGGED, {"userID": "user_id", "artistID": "item_id", "year": "time"}),
        TableReading(PLAYED, {"weight": "weight"}),
        table_reading(
            artists_path, read_header(artists_path, "\t", None), {"id": "item_id", "name": "title"}
        ),
    )
    path = source.folder / TAGGED
    return RawLog(interactions, path, items, artists_path, reading=Reading(tables=tables))


def _tag_texts(folder: Path, taggings: pl.DataFrame, max_tags: int) -> pl.DataFrame:
    """The most frequent tags of each artist, joined: columns ``item_id`` and ``tags``."""
    tags = _read_dat(folder / "tags.dat", {"tagID": pl.String, "tagValue": pl.String})
    return (
        taggings.group_by("item_id", "tagID")
        .len()
        .join(tags, on="tagID")
        .sort("item_id", "len", "tagValue", descending=[False, True, False])
        .group_by("item_id", maintain_order=True)
        .agg(pl.col("tagValue").head(max_tags).str.join(", ").alias("tags"))
    )


def _read_dat(path: Path, types: Types) -> pl.DataFrame:
    return read_delimited(path, types, separator="\t", quote=None, encoding=encoding_of(path))


FORMAT = Format(
    "lastfm_hetrec", f"{TAGGED}, user_artists.dat, artists.dat, tags.dat", recognises, read
)
