"""What is to be told of a log's values that are read as they stand and yet may be wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import polars as pl

from llmrec_env.data.interactions import Interactions

DAY = 86_400
"""Seconds by which a time may lie ahead of this machine's clock, as in another time zone."""
LAST_YEAR = 9999
FEW = 0.001
"""Share of the ratings up to which one value is alone."""
LEAST = 20
"""Ratings below which nothing is said."""


def doubtful_values(found: Interactions, now: float | None = None) -> list[str]:
    """One sentence for each thing that may be a mistake; nothing is refused or left out.

    Args:
        found: the interactions as they were read.
        now: seconds since 1970; None: this machine's clock.
    """
    now = time.time() if now is None else now
    notes = (_repeated(found), _ahead(found, now), _lone_rating(found))
    return [note for note in notes if note]


def _repeated(found: Interactions) -> str:
    """Rows that say what another has said, of one moment, or of one rating where none is told;
    without either, users may well have taken an item twice."""
    if not {"time", "rating"} & set(found.feedback.columns):
        return ""
    rows = found.feedback.with_columns(user=pl.Series(found.users), item=pl.Series(found.items))
    repeated = rows.height - rows.hash_rows().n_unique()  # 64 bits: a fifth of the rows' own time
    if not repeated:
        return ""
    return (
        f"{repeated:,} of {rows.height:,} rows repeat another in every column: each counts as one "
        "more interaction, so remove them if they are copies"
    )


def _ahead(found: Interactions, now: float) -> str:
    if "time" not in found.feedback.columns:
        return ""
    times = found.feedback["time"]
    ahead = int((times > now + DAY).sum())
    if not ahead:
        return ""
    latest = times.max()
    assert isinstance(latest, int | float)
    return (
        f"{ahead:,} of {len(times):,} times lie in the future, the latest {_year(latest)}: are "
        "they mistakes, or not in seconds (name the column time_ms, time_us or time_ns)?"
    )


def _year(seconds: float) -> str:
    try:
        return f"in {datetime.fromtimestamp(seconds, UTC).year}"
    except (OverflowError, ValueError, OSError):
        return f"after {LAST_YEAR}"


def _lone_rating(found: Interactions) -> str:
    """A rating beyond all others by more than these lie apart."""
    if "rating" not in found.feedback.columns:
        return ""
    ratings = found.feedback["rating"].drop_nulls()
    if len(ratings) < LEAST:
        return ""
    counts = ratings.value_counts().sort("rating")
    values, often = counts["rating"].to_list(), counts["count"].to_list()
    for place, others in ((-1, values[:-1]), (0, values[1:])):
        if len(others) < 2 or often[place] > max(1, FEW * len(ratings)):
            continue
        gap = min(abs(values[place] - other) for other in (others[0], others[-1]))
        if gap > others[-1] - others[0]:
            return (
                f"{often[place]:,} of {len(ratings):,} ratings is {values[place]:g}, far from the "
                f"others ({others[0]:g} to {others[-1]:g}): is it a mistake?"
            )
    return ""
