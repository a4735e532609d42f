"""``load``: reads a public dataset from a path, checks it, and returns the log."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Literal

import polars as pl

from llmrec_env.common import progress
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import local_path
from llmrec_env.common.forking import fork_safe
from llmrec_env.common.wording import listed
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.described import catalogue_of
from llmrec_env.data.doubtful import doubtful_values
from llmrec_env.data.events import Events, read_events
from llmrec_env.data.formats import FORMATS, Format, LogFiles, RawLog
from llmrec_env.data.formats.plain import ENDINGS, read_items
from llmrec_env.data.formats.text import clean
from llmrec_env.data.interactions import Interactions
from llmrec_env.data.labels import divide_by_label, place_skips, read_liked
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.order import ordered_as_asked
from llmrec_env.data.ratings import Liked, read_ratings
from llmrec_env.data.reading import Reading
from llmrec_env.data.transforms import shuffle_items

WEIGHTS = (
    "weights are kept and change nothing of what was taken: every row counts as one interaction; "
    "an LE reads them as how much it was liked"
)


@fork_safe
def load(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    shuffle_seed: int | None = 0,
    keep_unseen_items: bool = False,
    max_characters: int = 500,
    events: Events | None = None,
    only_events: Sequence[str] | None = None,
    liked: Liked | None = None,
    order: Literal["file", "shuffled"] | None = None,
    **options: Any,
) -> InteractionLog:
    """Read a public dataset. One line for each file says which of its columns were used.

    Args:
        path: the folder in which the publisher's files stand, or the file of interactions.
        format: the name of a format (``llmrec_env.data.formats.FORMATS``); by default the one that
            the names of the files and their first lines show.
        shuffle_seed: seeds a random order of the items, as some datasets number items by first
            appearance; None keeps the order of the files.
        keep_unseen_items: whether items that nobody took stay in the catalogue.
        max_characters: longer texts are cut after the last whole word within it.
        events: what events of names that are not known are (:mod:`llmrec_env.data.events`):
            ``{"remove_from_cart": "drop"}``; ``click``, ``purchase``, ``drop``, or a reward of
            their own for Q-learning.
        only_events: the kinds of events whose rows count, such as ``["purchase"]``; the others are
            left out. None: all that are takes.
        liked: which ratings are takes: those from a number up (``liked=4``), or those for which a
            function of the ratings (a polars Series) is true. The other rows are left out. None:
            every rated item counts as taken, whatever its rating.
        order: where no column says when a user took what: "file" says that the rows stand in the
            order in which things happened; "shuffled" puts each user's rows in a random order
            (seeded with ``shuffle_seed``). None: the rows are taken as they stand, and the order is
            called unknown.
        **options: of the format, such as ``encoding`` and ``columns`` for plain tables or
            ``max_tags`` for Last.fm.

    Returns:
        The log. ``time`` is in seconds; it is absent where the dataset has none, or has but the
        position in the user's sequence. ``log.reading`` says how it was read.

    Raises:
        DataError: the path does not exist, its format is unknown, or a file is not what it should
            be; the message names the file, the line or column, and what was expected.
    """
    source = LogFiles(local_path(path, "the data"))
    if not source.path.exists():
        raise DataError(
            f"{path}: no such file or folder; give the folder that holds the data files"
        )
    chosen = _find_format(source, format)
    allowed = list(inspect.signature(chosen.read).parameters)[1:]
    for option in options:
        if option not in allowed:
            near = get_close_matches(option, [*inspect.signature(load).parameters, *allowed], n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise DataError(
                f"unknown option {option!r}: {hint}beside the options of every format, "
                f"{chosen.name} takes {', '.join(allowed) or 'none of its own'}"
            )
    raw = _with_meanings(chosen.read(source, **options), events, only_events, liked)
    checked = Interactions.of(raw.interactions, str(raw.path))
    interactions, reading = _ordered(checked, raw.reading)
    skipped = None if raw.skipped is None else place_skips(checked, raw.skipped, str(raw.path))
    seen = interactions.item_ids
    if skipped is not None and keep_unseen_items and raw.items is None:
        seen = pl.concat([seen, skipped["item_id"]]).unique(maintain_order=True)
    catalogue, told = catalogue_of(raw, seen, keep_unseen_items, max_characters)
    doubts = (*interactions.doubtful_ids(), *doubtful_values(interactions))
    notes = (*reading.notes, *doubts, *told)
    reading = replace(reading, format=chosen.name, notes=notes)
    log = InteractionLog.of_interactions(catalogue, interactions, str(raw.path), reading)
    if skipped is not None:
        log = _with_skips(log, skipped, raw)
    log = ordered_as_asked(log, order, shuffle_seed or 0)
    for line in log.reading.lines:
        progress.say(line)
    return log if shuffle_seed is None else shuffle_items(log, shuffle_seed)


@fork_safe
def load_items(
    path: str | os.PathLike[str],
    *,
    encoding: str = "utf-8",
    text_columns: Sequence[str] | None = None,
    item_column: str | None = None,
    max_characters: int = 500,
) -> Catalogue:
    """Read a table of items without a log, such as new ones for a simulated user.

    Args:
        path: a csv, tsv (gzipped or not) or parquet file with a row an item.
        encoding: of a text file, as Python names it.
        text_columns: the columns that describe an item; by default all but those that hold numbers
            alone, and addresses.
        item_column: the one that names the item, where it has no usual name.
        max_characters: longer texts are cut after the last whole word within it.

    Raises:
        DataError: there is no such file, no column names the item, or an id is missing or stands in
            two rows.
    """
    place = local_path(path, "the items")
    if not place.is_file():
        raise DataError(f"{path}: no such file; give a csv, tsv or parquet file of items")
    if not place.name.endswith(ENDINGS):
        raise DataError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    table = read_items(place, encoding, text_columns, item_column)
    if table.height == 0:
        raise DataError(f"{path}: no items; expected at least one row")
    try:
        return Catalogue(clean(table, max_characters))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _find_format(source: LogFiles, name: str | None) -> Format:
    if name is not None and name not in FORMATS:
        raise DataError(f"unknown format {name!r}; known are {', '.join(FORMATS)}")
    formats = FORMATS.values() if name is None else [FORMATS[name]]
    for candidate in formats:
        if candidate.recognises(source):
            return candidate
    known = "; ".join(f"{candidate.name}: {candidate.files}" for candidate in formats)
    found = sorted(file.name for file in source.folder.iterdir())
    tables = [name for name in found if name.endswith((".csv", ".tsv", ".parquet"))]
    if name is None and len(tables) == 1:
        kind = tables[0].rsplit(".", 1)[1]
        raise DataError(
            f"{source.path}: no file says which rows are interactions; if {tables[0]} has them (a "
            f"user and an item in each row), name it interactions.{kind}, and what is known of the "
            f"items (item_id, title) items.{kind}"
        )
    raise DataError(
        f"{source.path}: the files are of no known format; found "
        f"{listed(found, 10) if found else 'an empty folder'}; unpack an archive first, give the "
        "folder in which the files themselves stand, or write the data as plain tables; expected "
        f"one of: {known}"
    )


def _with_meanings(
    raw: RawLog, events: Events | None, only: Sequence[str] | None, liked: Liked | None
) -> RawLog:
    """Leave out the rows that are no takes, by their labels, events and ratings; keep skips."""
    if raw.interactions.height == 0:
        raise DataError(f"{raw.path}: no interactions; expected at least one row")
    table, skipped, labels = divide_by_label(raw.interactions, raw.path)
    table, likes = read_liked(table, raw.path)
    table, kinds, rewards = read_events(table, events, raw.path, only)
    if table.height == 0:
        raise DataError(f"{raw.path}: every row has an event that is to be dropped")
    table, ratings = read_ratings(table, raw.path, liked)
    said = "; ".join(text for text in (labels, likes, kinds) if text)
    notes = (*raw.reading.notes, *([WEIGHTS] if "weight" in table.columns else []))
    reading = replace(raw.reading, ratings=ratings, events=said, event_rewards=rewards, notes=notes)
    return replace(raw, interactions=table, reading=reading, skipped=skipped)


def _with_skips(log: InteractionLog, skipped: pl.DataFrame, raw: RawLog) -> InteractionLog:
    """The log with what was shown and not taken, and with a note on what of it cannot be kept."""
    log = log.with_skips(skipped)
    assert log.skips is not None
    assert raw.skipped is not None
    lost = raw.skipped.height - len(log.skips)
    if not lost:
        return log
    note = (
        f"{lost:,} of the {raw.skipped.height:,} rows that were shown and not taken are left out: "
        "they are of users who took nothing, or of items that nobody took (keep_unseen_items=True "
        "keeps these)"
    )
    reading = replace(log.reading, notes=(*log.reading.notes, note))
    return replace(log, reading=reading)


def _ordered(interactions: Interactions, reading: Reading) -> tuple[Interactions, Reading]:
    """Rows by time; a time that is but a position is dropped."""
    feedback = interactions.feedback
    if "time" not in feedback.columns:
        seen = [name for table in reading.tables[:1] for name in (*table.used, *table.not_used)]
        note = "no time column found"
        note += f" (columns seen: {listed(seen)})" if seen else ""
        return interactions, replace(reading, order="unknown", notes=(*reading.notes, note))
    if interactions.calendar is not None:
        note = f"the times are numbers such as 20200131: read as dates ({interactions.calendar})"
        reading = replace(reading, notes=(*reading.notes, note))
    interactions = interactions.by_time()
    if not interactions.counts_up():
        return interactions, replace(reading, order="time")
    kept = replace(interactions, feedback=interactions.feedback.drop("time"))
    note = (
        "the times only count each user's interactions: their order counts, and they are no times"
    )
    return kept, replace(reading, order="position", notes=(*reading.notes, note))
