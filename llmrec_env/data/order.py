"""In which order a log stands: whether anything says it, and whether the ids do."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog

RISING = 0.9
"""Share of steps along which ids rise from which it is no chance."""
LEAST_STEPS = 20
"""Steps below which nothing is said."""
MEND = "bring finer times, or put each user's rows in a random order (--order shuffled)"
"""What to do about an order that is that of the ids."""


class Rising(NamedTuple):
    """How often the next item has the higher id.

    Attributes:
        share: of the steps.
        steps: how many there are, between two different items.
    """

    share: float
    steps: int

    @property
    def is_told(self) -> bool:
        """Whether the order is that of the ids, as far as anybody can tell."""
        return self.steps >= LEAST_STEPS and self.share >= RISING


def rising_ids(log: InteractionLog, within_moments: bool = False) -> Rising:
    """How often a user's next item has a higher id than the one before.

    Args:
        log: the interactions; ids that are all numbers are compared as numbers.
        within_moments: whether only steps count whose two interactions have the same time.
    """
    keys = _keys(log)[log.items]
    steps = log.row_goes_on[:-1] & (keys[1:] != keys[:-1]) if len(log) else np.zeros(0, dtype=bool)
    if within_moments:
        steps &= _same_moment(log)
    count = int(steps.sum())
    rising = (keys[1:] > keys[:-1])[steps]
    return Rising(float(rising.mean()) if count else 0.0, count)


def order_notes(log: InteractionLog) -> list[str]:
    """What a reader should know of the order of a log, one sentence each; none as a rule."""
    notes = []
    if log.reading.order == "unknown":
        notes.append(
            "ORDER UNKNOWN: no column says when or in which order a user took things, so the order "
            "of the rows counts, which may mean nothing"
        )
    everywhere = rising_ids(log)
    if everywhere.is_told:
        notes.append(
            f"item ids rise along {everywhere.share:.0%} of the steps: the order may be that of "
            f"the ids, and the next item then the next id; {MEND}"
        )
    elif "time" in log.feedback.columns and (tied := rising_ids(log, True)).is_told:
        share = tied.steps / max(1, int(log.row_goes_on.sum()))
        notes.append(
            f"{share:.0%} of the steps lie within one moment, and along {tied.share:.0%} of these "
            "item ids rise: the order within a moment is that of the ids, and whoever ranks next "
            f"items may learn that alone; {MEND}"
        )
    return notes


def is_one_moment(log: InteractionLog) -> bool:
    """Whether there are times and every user's are all the same, so that they order nothing."""
    goes_on = log.row_goes_on[:-1]
    return log.has_time and bool(goes_on.any()) and bool(_same_moment(log)[goes_on].all())


def ordered_as_asked(log: InteractionLog, order: str | None, seed: int) -> InteractionLog:
    """A log that was just read, in the order asked for; its reading says what is known of it.

    Args:
        log: as it was read.
        order: "file" where the rows are known to stand in order, "shuffled" for a random one; None:
            as they stand.
        seed: of the random order.

    Raises:
        DataError: ``order`` is none of these.
    """
    if order not in (None, "file", "shuffled"):
        raise DataError(f"order must be 'file' or 'shuffled', got {order!r}")
    reading = log.reading
    if is_one_moment(log):
        note = "every user's times are all the same, so they order nothing"
        reading = replace(reading, order="unknown", notes=(*reading.notes, note))
    if order == "shuffled":
        note = f"each user's rows were put in a random order (seed {seed})"
        reading = replace(reading, order="shuffled", notes=(*reading.notes, note))
        return replace(shuffle_order(log, seed), reading=reading)
    if order == "file" and reading.order == "unknown":
        reading = replace(reading, order="file order")
    log = replace(log, reading=reading)
    return replace(log, reading=replace(reading, notes=(*reading.notes, *order_notes(log))))


def check_order(log: InteractionLog, name: str) -> None:
    """Refuse a log whose order nobody knows, where next items are to be ranked.

    Raises:
        DataError: it was read from a file and nothing says in which order it stands.
    """
    if log.reading.format != "unknown" and log.reading.order == "unknown":
        raise DataError(
            f"{name}: the order is unknown (no time, no position), so there is no next item to "
            "rank; add a column of times, say --order file if the rows stand in the order in which "
            "things happened, or go on with --order shuffled, each user's rows in a random order"
        )


def shuffle_order(log: InteractionLog, seed: int) -> InteractionLog:
    """The same log with each user's interactions in a random order, without their times."""
    rows = np.lexsort((np.random.default_rng(seed).random(len(log)), log.row_users))
    feedback = log.feedback[rows] if log.feedback.width else log.feedback
    skips = None if log.skips is None else log.skips.shuffled(log.lengths, seed)
    feedback = feedback.drop("time", strict=False)
    return replace(log, items=log.items[rows], feedback=feedback, skips=skips)


def _keys(log: InteractionLog) -> IntArray:
    """A number for each item, in the order of the ids."""
    ids = log.catalogue.table["item_id"]
    numbers = ids.cast(pl.Int64, strict=False)
    ordered = ids if numbers.null_count() else numbers
    return ordered.rank("dense").cast(pl.Int64).to_numpy()


def _same_moment(log: InteractionLog) -> BoolArray:
    if "time" not in log.feedback.columns:
        return np.zeros(max(0, len(log) - 1), dtype=bool)
    times = log.feedback["time"]
    return (times == times.shift(1)).fill_null(False).to_numpy()[1:]
