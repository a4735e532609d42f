"""``load``: reads a public dataset from a path, checks it, and returns the log."""

from __future__ import annotations

import inspect
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.formats import FORMATS, Format, LogFiles, RawLog
from llmrec_env.data.formats.text import clean
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.reading import Order
from llmrec_env.data.transforms import shuffle_items

DATES = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


def load(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    shuffle_seed: int | None = 0,
    keep_unseen_items: bool = False,
    max_characters: int = 500,
    **options: Any,
) -> InteractionLog:
    """Read a public dataset.

    Args:
        path: the folder in which the publisher's files stand, or the file of interactions.
        format: the name of a format (``llmrec_env.data.formats.FORMATS``); by default the one that
            the names of the files and their first lines show.
        shuffle_seed: seeds a random order of the items, as some datasets number items by first
            appearance; None keeps the order of the files.
        keep_unseen_items: whether items that nobody saw stay in the catalogue.
        max_characters: longer texts are cut after the last whole word within it.
        **options: of the format, such as ``encoding`` for plain tables or ``max_tags`` for Last.fm.

    Returns:
        The log. ``time`` is in seconds; it is absent where the dataset has none, or has but the
        position in the user's sequence.

    Raises:
        DataError: the path does not exist, its format is unknown, or a file is not what it should
            be; the message names the file, the line or column, and what was expected.
    """
    source = LogFiles(Path(path).expanduser())
    if not source.path.exists():
        raise DataError(
            f"{path}: no such file or folder; give the folder that holds the data files"
        )
    chosen = _find_format(source, format)
    allowed = list(inspect.signature(chosen.read).parameters)[1:]
    for option in options:
        if option not in allowed:
            raise DataError(
                f"unknown option {option!r}: the format {chosen.name} takes "
                f"{', '.join(allowed) or 'no options of its own'}"
            )
    raw = _checked(chosen.read(source, **options))
    catalogue = _catalogue(raw, keep_unseen_items, max_characters)
    reading = replace(raw.reading, format=chosen.name)
    log = InteractionLog.from_table(catalogue, raw.interactions, str(raw.path), reading)
    return log if shuffle_seed is None else shuffle_items(log, shuffle_seed)


def _find_format(source: LogFiles, name: str | None) -> Format:
    if name is not None and name not in FORMATS:
        raise DataError(f"unknown format {name!r}; known are {', '.join(FORMATS)}")
    formats = FORMATS.values() if name is None else [FORMATS[name]]
    for candidate in formats:
        if candidate.recognises(source):
            return candidate
    known = "\n".join(f"  {candidate.name}: {candidate.files}" for candidate in formats)
    found = sorted(file.name for file in source.folder.iterdir())
    shown = ", ".join(found[:10]) + (", …" if len(found) > 10 else "")
    raise DataError(
        f"{source.path}: the files are of no known format; expected one of\n{known}\n"
        f"found {shown or 'an empty folder'}; unpack an archive first, give the folder in which "
        "the files themselves stand, or write the data as plain tables"
    )


def _checked(raw: RawLog) -> RawLog:
    """Refuse rows that lack something; put the rows in the order of their times."""
    table = raw.interactions
    if table.height == 0:
        raise DataError(f"{raw.path}: no interactions; expected at least one row")
    if "time" in table.columns:
        table = _with_times(table, raw.path)
    for column in ("user_id", "item_id", "time", "rating", "weight"):
        if column in table.columns:
            _require_values(table[column], raw.path)
    order: Order = "file order"
    if "time" in table.columns:
        table = _ordered(table)
        order = "time" if "time" in table.columns else "position"
    return replace(raw, interactions=table, reading=replace(raw.reading, order=order))


def _with_times(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Times as numbers, in seconds; without the column where it is empty."""
    times = table["time"]
    if times.null_count() == table.height:
        return table.drop("time")
    if times.dtype.is_temporal():
        seconds = times.cast(pl.Datetime("us")).dt.timestamp("us") / 1_000_000
    else:
        seconds = _seconds(times)
    failed = (seconds.is_null() & times.is_not_null()).arg_true()
    if len(failed):
        if times.dtype == pl.String:  # a column of numbers but for this one is one of numbers
            failed = (times.cast(pl.Float64, strict=False).is_null() & seconds.is_null()).arg_true()
        raise DataError(
            f"{path}: time of row {failed[0] + 1} is {times[failed[0]]!r}; "
            "expected a number of seconds or an ISO date such as 2020-01-31T12:00:00"
        )
    return table.with_columns(seconds.alias("time"))


def _seconds(times: pl.Series) -> pl.Series:
    """Numbers or texts as numbers; null where a text says no time."""
    if times.dtype.is_numeric():
        return times
    nulls = times.null_count()
    for dtype in (pl.Int64, pl.Float64):
        numbers = times.cast(dtype, strict=False)
        if numbers.null_count() == nulls:
            return numbers
    texts = times.str.strip_chars().str.replace(" ", "T").str.replace(r"(?:Z|\+00:?00)$", "")
    moments = [texts.str.to_datetime(form, time_unit="us", strict=False) for form in DATES]
    return pl.select(pl.coalesce(moments).dt.timestamp("us") / 1_000_000).to_series()


def _require_values(values: pl.Series, path: Path) -> None:
    missing = values.is_null()
    if values.dtype.is_float():
        missing |= ~values.is_finite()
    rows = missing.fill_null(True).arg_true()
    if len(rows):
        kind = "a number" if values.dtype.is_numeric() else "an id"
        raise DataError(
            f"{path}: {values.name} of row {rows[0] + 1} is missing or NaN ({len(rows)} such rows "
            f"of {len(values)}); expected {kind} in every row, so fill them or remove the rows"
        )


def _ordered(table: pl.DataFrame) -> pl.DataFrame:
    """Rows by time, cut to whole seconds after that; a time that is but a position is dropped."""
    table = table.sort("time", maintain_order=True).with_columns(
        pl.col("time").floor().cast(pl.Int64)
    )
    first = pl.col("time").min()
    position = pl.int_range(pl.len()).over("user_id") + first
    counts_up = table.select(first.is_in([0, 1]) & (pl.col("time") == position).all()).item()
    return table.drop("time") if counts_up else table


def _catalogue(raw: RawLog, keep_unseen_items: bool, max_characters: int) -> Catalogue:
    """The catalogue, with exactly the seen items unless the unseen ones are kept."""
    seen = raw.interactions.select(pl.col("item_id").unique(maintain_order=True))
    if raw.items is None:
        return Catalogue(seen)
    _refuse_duplicates(raw.items["item_id"], raw.items_path)
    unknown = seen.join(raw.items, on="item_id", how="anti", maintain_order="left")
    if raw.closed and unknown.height:
        raise DataError(
            f"{raw.path}: unknown item id {unknown['item_id'][0]!r} ({unknown.height} such items): "
            f"it is not in {raw.items_path}; add it there or remove its interactions"
        )
    items = raw.items
    if not keep_unseen_items:
        items = items.join(seen, on="item_id", how="semi", maintain_order="left")
    return Catalogue(clean(pl.concat([items, unknown], how="diagonal"), max_characters))


def _refuse_duplicates(ids: pl.Series, path: Path | None) -> None:
    rows = (ids.is_duplicated() | ids.is_null()).arg_true()
    if len(rows):
        what = "is missing" if ids[rows[0]] is None else f"{ids[rows[0]]!r} occurs more than once"
        raise DataError(
            f"{path}: item id {what}, first in row {rows[0] + 1} ({len(rows)} such rows); "
            "expected one row an item, so remove the others"
        )
