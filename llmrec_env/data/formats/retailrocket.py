"""Reader of RetailRocket: ``events.csv``, ``item_properties*.csv`` and ``category_tree.csv``."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from llmrec_env.data.formats.base import Format, LogFiles, RawLog, table_reading
from llmrec_env.data.formats.delimited import read_delimited, read_header
from llmrec_env.data.formats.raw_text import first_line_of
from llmrec_env.data.reading import Reading

EVENTS = {"timestamp": pl.Int64, "visitorid": pl.String, "event": pl.String, "itemid": pl.String}
NAMES = {"visitorid": "user_id", "itemid": "item_id", "timestamp": "time", "event": "event"}
PROPERTIES = {"timestamp": pl.Int64, "itemid": pl.String, "property": pl.String, "value": pl.String}
TREE = {"categoryid": pl.String, "parentid": pl.String}


def recognises(source: LogFiles) -> bool:
    """An ``events.csv`` with visitors."""
    return source.has("events.csv") and "visitorid" in first_line_of(source.folder / "events.csv")


def read(source: LogFiles) -> RawLog:
    """Views, additions to the cart and transactions of each visitor.

    The publisher hashed all texts. What can be read of an item is its category: a number, which is
    given with the numbers of the categories above it, the widest first.
    """
    path = source.folder / "events.csv"
    events = read_delimited(path, EVENTS)
    interactions = events.select(
        pl.col("visitorid").alias("user_id"),
        pl.col("itemid").alias("item_id"),
        (pl.col("timestamp") / 1000).alias("time"),
        "event",
    )
    tables = (table_reading(path, read_header(path), NAMES),)
    properties = source.neighbours("item_properties*.csv")
    if not properties:
        return RawLog(interactions, path, reading=Reading(tables=tables))
    items = _categories(properties, source.folder)
    return RawLog(interactions, path, items, properties[0], reading=Reading(tables=tables))


def _categories(paths: list[Path], folder: Path) -> pl.DataFrame:
    """The latest category of each item: columns ``item_id`` and ``category``."""
    about_category = pl.col("property") == "categoryid"
    parts = [read_delimited(path, PROPERTIES, rows=about_category) for path in paths]
    latest = pl.concat(parts).sort("timestamp", maintain_order=True).group_by("itemid").last()
    lineages = _lineages(folder / "category_tree.csv")
    return latest.sort("itemid").select(
        pl.col("itemid").alias("item_id"), pl.col("value").replace(lineages).alias("category")
    )


def _lineages(path: Path) -> dict[str, str]:
    """Each category as its lineage, such as ``140, 1338``."""
    if not path.exists():
        return {}
    parents = dict(read_delimited(path, TREE).select("categoryid", "parentid").iter_rows())
    return {category: ", ".join(_lineage(category, parents)) for category in parents}


def _lineage(category: str, parents: dict[str, str | None]) -> list[str]:
    line = [category]
    while (parent := parents.get(line[0])) and parent not in line:
        line.insert(0, parent)
    return line


FORMAT = Format(
    "retailrocket", "events.csv, item_properties*.csv, category_tree.csv", recognises, read
)
