"""Reader of Amazon reviews of 2014, 2018 and 2023: JSON lines, with item metadata beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.data.formats.base import Format, LogFiles, RawLog, table_reading
from llmrec_env.data.formats.json_lines import first_record, read_json_lines
from llmrec_env.data.reading import Reading

PATTERNS = ("*.json", "*.json.gz", "*.jsonl", "*.jsonl.gz")
METADATA = "meta_"
# Fields of the reviews: 2014 and 2018, then 2023 (whose times are in milliseconds).
OLD = {"user_id": "reviewerID", "item_id": "asin", "rating": "overall", "time": "unixReviewTime"}
NEW = {"user_id": "user_id", "item_id": "parent_asin", "rating": "rating", "time": "timestamp"}
TYPES = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float32, "time": pl.Float64}
TEXTS = pl.List(pl.String)
ITEMS: dict[str, Any] = {
    "asin": pl.String,
    "parent_asin": pl.String,
    "title": pl.String,
    "category": TEXTS,
    "categories": TEXTS,
    "main_category": pl.String,
    "brand": pl.String,
    "store": pl.String,
    "description": TEXTS,
    "feature": TEXTS,
    "features": TEXTS,
}


def recognises(source: LogFiles) -> bool:
    """A file whose first line is a review."""
    return bool(_review_files(source))


def read(source: LogFiles) -> RawLog:
    """Ratings with their times; title, category, brand and description of the items.

    The metadata are the file ``meta_…`` beside the reviews, strict JSON or (2014) the publisher's
    Python literals. Where an item is described twice, as happens in 2018, the first one counts.
    """
    path = _only_review_file(source)
    first = first_record(path)
    fields = OLD if "reviewerID" in first else NEW
    roles = {field: role for role, field in fields.items()}
    reviews = read_json_lines(path, {fields[role]: dtype for role, dtype in TYPES.items()})
    reviews = reviews.rename(roles)
    if fields is NEW:
        reviews = reviews.with_columns(pl.col("time") / 1000)
    table = table_reading(path, first, roles)
    items_path = _metadata_file(source, path)
    if items_path is None:
        return RawLog(reviews, path, reading=Reading(tables=(table,)))
    used = {name: name for name in ITEMS}
    tables = (table, table_reading(items_path, first_record(items_path), used))
    items = _read_metadata(items_path)
    return RawLog(reviews, path, items, items_path, reading=Reading(tables=tables))


def _review_files(source: LogFiles) -> list[Path]:
    files = (f for f in source.candidates(*PATTERNS) if not f.name.startswith(METADATA))
    return [file for file in files if _is_review(first_record(file))]


def _is_review(record: dict[str, Any]) -> bool:
    return {"reviewerID", "asin"} <= record.keys() or {"user_id", "parent_asin"} <= record.keys()


def _only_review_file(source: LogFiles) -> Path:
    files = _review_files(source)
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise DataError(
            f"{source.path}: expected one file of reviews, found {names}; name the file"
        )
    return files[0]


def _metadata_file(source: LogFiles, reviews: Path) -> Path | None:
    """The metadata whose category the name of the reviews holds, else the only one there is."""
    files = source.neighbours(*(METADATA + pattern for pattern in PATTERNS))
    category = {file: file.name.removeprefix(METADATA).split(".")[0] for file in files}
    fitting = [file for file in files if category[file] in reviews.name]
    if fitting:
        return max(fitting, key=lambda file: len(category[file]))
    return files[0] if len(files) == 1 else None


def _read_metadata(path: Path) -> pl.DataFrame:
    table = read_json_lines(path, ITEMS, loose=True)
    title = pl.col("title")
    category = pl.coalesce(_joined("categories"), _joined("category"), "main_category")
    return table.select(
        pl.coalesce("parent_asin", "asin").alias("item_id"),
        # The pages of 2018 were scraped, and some titles are the page's scripts.
        pl.when(~title.str.contains("getTime", literal=True)).then(title).alias("title"),
        category.alias("category"),
        pl.coalesce("brand", "store").alias("brand"),
        pl.coalesce(
            _joined("description", " "), _joined("features", " "), _joined("feature", " ")
        ).alias("description"),
    ).unique("item_id", keep="first", maintain_order=True)


def _joined(column: str, separator: str = ", ") -> pl.Expr:
    """The texts of a list in one; null where there are none."""
    texts = pl.col(column).list.eval(pl.element().filter(pl.element().str.strip_chars() != ""))
    return pl.when(texts.list.len() > 0).then(texts.list.join(separator))


FORMAT = Format(
    "amazon",
    "NAME.json or .jsonl (.gz) with reviews, meta_NAME.json or .jsonl (.gz)",
    recognises,
    read,
)
