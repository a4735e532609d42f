"""Labels: which rows of a table were taken, which were only shown, and which were liked.

Two kinds of yes and no stand in logs. One says whether an item that was shown was *taken*
(``is_click``): a row without it is no interaction but a skip. The other says whether an item that
was taken was *liked* (``thumbs_up``): either row is an interaction, and the label is its feedback.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import shown
from llmrec_env.data.interactions import ROW, Interactions, coded
from llmrec_env.data.skips import COLUMNS
from llmrec_env.data.times import in_seconds
from llmrec_env.data.values import as_ids

POSITIVE = ("1", "1.0", "true", "yes", "t", "y")
NEGATIVE = ("0", "0.0", "false", "no", "f", "n", "-1", "-1.0")
LIKES = (*POSITIVE, "like", "liked", "likes", "up", "thumbs_up", "thumbs up", "+1", "positive")
DISLIKES = (
    *NEGATIVE,
    "dislike",
    "disliked",
    "dislikes",
    "down",
    "thumbs_down",
    "thumbs down",
    "negative",
)


class Labelled(NamedTuple):
    """A table, divided by its column ``label``.

    Attributes:
        taken: the rows that are interactions, without that column.
        skipped: ``user_id``, ``item_id``, the time where there is one, and the number of the row,
            of what was shown and not taken; None where the table has no labels.
        words: what was done; empty without labels.
    """

    taken: pl.DataFrame
    skipped: pl.DataFrame | None
    words: str


def divide_by_label(table: pl.DataFrame, where: str | Path) -> Labelled:
    """Part the rows that were taken from those that were shown and not taken.

    Args:
        table: interactions; without the column ``label`` all are taken.
        where: the table, for errors.

    Raises:
        DataError: a label is neither yes nor no, or none is yes.
    """
    if "label" not in table.columns:
        return Labelled(table, None, "")
    column = table["label"]
    said = _texts(column, where)
    taken = said.is_in(POSITIVE)
    unknown = (~(taken | said.is_in(NEGATIVE))).fill_null(True).arg_true()
    if len(unknown):
        raise DataError(
            f"{where}: the label of row {unknown[0] + 1} is "
            f"{shown(column[int(unknown[0])])}; expected 1 (taken) or 0 (shown and not "
            "taken); where it says what was liked, pass columns={'liked': NAME} (--column "
            "liked=NAME), and where the column says something else, columns={'label': None} "
            "(--column label=none)"
        )
    if not taken.any():
        raise DataError(
            f"{where}: all {len(said)} labels say that nothing was taken; expected some of 1; "
            "where the column says something else, pass "
            "columns={'label': None} (--column label=none)"
        )
    words = (
        f"labels: {int(taken.sum()):,} of {len(said):,} rows were taken; the others were shown "
        "and not taken: they are no interactions, and are kept beside them"
    )
    table = table.drop("label").with_row_index(ROW)
    names = [name for name in ("user_id", "item_id", "time", ROW) if name in table.columns]
    return Labelled(table.filter(taken), table.filter(~taken).select(names), words)


def read_liked(table: pl.DataFrame, where: str | Path) -> tuple[pl.DataFrame, str]:
    """Make numbers of the column ``liked``: 1 liked, 0 disliked, NaN where it says neither.

    Where there are -1, 0 and 1, 0 is neither.

    Args:
        table: interactions; without the column it is returned as it is.
        where: the table, for errors.

    Returns:
        The table, and what was done in words.

    Raises:
        DataError: a value says neither like nor dislike.
    """
    if "liked" not in table.columns:
        return table, ""
    column = table["liked"]
    said = _texts(column, where)
    likes, dislikes = said.is_in(LIKES), said.is_in(DISLIKES)
    unknown = (~(likes | dislikes) & (said != "") & (said != "nan")).fill_null(False).arg_true()
    if len(unknown):
        raise DataError(
            f"{where}: liked of row {unknown[0] + 1} is {shown(column[int(unknown[0])])}; expected "
            "1 or like, 0, -1 or dislike, or nothing; where the column says something else, pass "
            "columns={'liked': None} (--column liked=none)"
        )
    if said.is_in(["-1", "-1.0"]).any():
        dislikes &= ~said.is_in(["0", "0.0"])
    numbers = np.full(len(said), np.nan, dtype=np.float32)
    numbers[likes.fill_null(False).to_numpy()] = 1.0
    numbers[dislikes.fill_null(False).to_numpy()] = 0.0
    words = (
        f"liked: {int((numbers == 1).sum()):,} of {len(said):,} interactions were liked, "
        f"{int((numbers == 0).sum()):,} disliked; all count as taken"
    )
    return table.with_columns(pl.Series("liked", numbers)), words


def _texts(column: pl.Series, where: str | Path) -> pl.Series:
    """Labels of any type as texts in small letters without white space around them."""
    texts = column.cast(pl.String) if column.dtype == pl.Boolean else as_ids(column, str(where))
    return texts.str.strip_chars().str.to_lowercase()


def place_skips(interactions: Interactions, skipped: pl.DataFrame, where: str) -> pl.DataFrame:
    """After how many of a user's interactions each skip stands.

    By time where there is one, else by the order of the rows. What was skipped at the moment of an
    interaction stands before it: it was offered beside it.

    Args:
        interactions: what was taken, of a table that :func:`divide_by_label` divided.
        skipped: the rest of that table.
        where: the table, for errors.

    Returns:
        Columns ``user_id``, ``item_id`` and ``after``, in the order in which they were shown, of
        users who took something.

    Raises:
        DataError: a row lacks an id or a time that others have.
    """
    if skipped.height == 0:
        return pl.DataFrame(
            schema=dict(zip(COLUMNS, (pl.String, pl.String, pl.Int64), strict=True))
        )
    user_ids, users = coded(skipped["user_id"], where)
    item_ids, items = coded(skipped["item_id"], where)
    known = {name: place for place, name in enumerate(interactions.user_ids)}
    owners = np.array([known.get(name, -1) for name in user_ids], dtype=np.int64)[users]
    mine = np.flatnonzero(owners >= 0)
    times = _times(interactions, skipped, where)[mine]
    taken = interactions.times if "time" in interactions.feedback.columns else None
    n_taken = len(interactions.users)
    assert interactions.rows is not None
    all_users = np.concatenate([interactions.users, owners[mine]])
    all_times = np.concatenate([np.zeros(n_taken) if taken is None else taken, times])
    is_taken = np.arange(len(all_users)) < n_taken
    rows = np.concatenate([interactions.rows, skipped[ROW].to_numpy()[mine].astype(np.int64)])
    keys = (rows, all_users) if taken is None else (rows, is_taken, all_times, all_users)
    order = np.lexsort(keys)
    after = _taken_before(all_users[order], is_taken[order])
    chosen = ~is_taken[order]
    place = mine[order[chosen] - n_taken]
    return pl.DataFrame(
        {
            "user_id": user_ids[users[place]],
            "item_id": item_ids[items[place]],
            "after": after[chosen],
        }
    )


def _taken_before(users: IntArray, is_taken: np.ndarray) -> IntArray:
    """How many rows of the same user were taken before each; ``users`` never fall."""
    before = np.concatenate([[0], np.cumsum(is_taken)[:-1]]).astype(np.int64)
    first = np.searchsorted(users, users)
    return before - before[first]


def _times(interactions: Interactions, skipped: pl.DataFrame, where: str) -> np.ndarray:
    """Seconds of each skip, float64 (n,); 0 where the interactions have none."""
    if "time" not in interactions.feedback.columns:
        return np.zeros(skipped.height)
    times = in_seconds(skipped["time"], where, calendar=interactions.calendar)
    seconds = times.cast(pl.Float64).fill_null(np.nan).to_numpy()
    missing = np.flatnonzero(np.isnan(seconds))
    if len(missing):
        row = int(skipped[ROW][int(missing[0])])
        raise DataError(
            f"{where}: time of row {row + 1} is missing ({len(missing)} such rows of what was "
            "shown and not taken); expected one in every row, so fill them or remove the rows"
        )
    return seconds
