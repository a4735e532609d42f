"""``Interactions``: a table of interactions, checked, with users and items as numbers.

Both ways to a log go through here, ``load`` and ``InteractionLog.from_table``, so that both refuse
the same and read the same out of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.arrays import Float64Array, IntArray, stable_order
from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed
from llmrec_env.data.times import calendar_of, in_seconds, whole_seconds
from llmrec_env.data.values import as_ids, as_numbers

FEEDBACK: dict[str, Any] = {
    "time": pl.Int64,
    "rating": pl.Float32,
    "event": pl.String,
    "weight": pl.Float32,
    "liked": pl.Float32,
    "propensity": pl.Float32,
    "session": pl.String,
}
"""The columns that may stand beside a user and an item, with their types in a log."""

ROW = "row of the table"
"""The column that says which row of a table one was, before others were left out."""

DOUBTFUL = ["nan", "NaN", "None", "null", "NULL", "<NA>", "N/A", "\\N"]
"""What programs write for an id that they do not have."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """Rows of interactions in the order in which they came.

    Attributes:
        user_ids: the users' ids, String, in the order of their first row.
        users: the user of each row, int64 (n_rows,), a place in ``user_ids``.
        item_ids: the items' ids, String, in the order of their first row.
        items: the item of each row, int64 (n_rows,), a place in ``item_ids``.
        feedback: the columns of :data:`FEEDBACK` that there are; times are seconds, whole or not.
        calendar: the pattern by which times such as 20200131 were read as dates, if they were.
        rows: which row of a larger table each was, int64 (n_rows,), from its column :data:`ROW`;
            None where it has none.
    """

    user_ids: pl.Series
    users: IntArray
    item_ids: pl.Series
    items: IntArray
    feedback: pl.DataFrame
    calendar: str | None = None
    rows: IntArray | None = None

    @classmethod
    def of(cls, table: pl.DataFrame, name: str) -> Interactions:
        """Check a table with the columns ``user_id``, ``item_id`` and any of :data:`FEEDBACK`.

        Args:
            table: one row an interaction.
            name: what to call it in an error, such as the file's path.

        Raises:
            DataError: there are no rows, a column is missing or has a type that it cannot have, or
                a row lacks an id, a time or a number that others have.
        """
        for column in ("user_id", "item_id"):
            if column not in table.columns:
                raise DataError(f"{name}: no column {column!r} among {listed(table.columns)}")
        if table.height == 0:
            raise DataError(f"{name}: no interactions; expected at least one row")
        user_ids, users = coded(table["user_id"], name)
        item_ids, items = coded(table["item_id"], name)
        columns = {column: table[column] for column in FEEDBACK if column in table.columns}
        events = columns.get("event")
        calendar = calendar_of(columns["time"]) if "time" in columns else None
        feedback = [_checked(values, name, events, calendar) for values in columns.values()]
        kept = pl.DataFrame([values for values in feedback if values is not None])
        rows = table[ROW].to_numpy().astype(np.int64) if ROW in table.columns else None
        return cls(user_ids, users, item_ids, items, kept, calendar, rows)

    @property
    def times(self) -> Float64Array:
        """Seconds of each row, float64 (n_rows,), of rows that have a time."""
        return self.feedback["time"].cast(pl.Float64).to_numpy()

    def by_time(self) -> Interactions:
        """The rows in the order of their times, those of one time in the order that they have."""
        order = stable_order(self.feedback["time"].to_numpy())
        user_ids, users = _renumbered(self.user_ids, self.users[order])
        item_ids, items = _renumbered(self.item_ids, self.items[order])
        feedback = rows_of(self.feedback, order)
        rows = None if self.rows is None else self.rows[order]
        return Interactions(user_ids, users, item_ids, items, feedback, self.calendar, rows)

    def by_user(self) -> IntArray:
        """The order of the rows by user and then by time, int64 (n_rows,)."""
        if "time" not in self.feedback.columns:
            return stable_order(self.users)
        times = self.feedback["time"].to_numpy()
        if (times[1:] >= times[:-1]).all():
            return stable_order(self.users)
        order = stable_order(times)
        return order[stable_order(self.users[order])]

    def doubtful_ids(self) -> list[str]:
        """What to tell about ids that may be missing ones, written out by the program before."""
        notes = []
        for what, ids, codes in (
            ("user_id", self.user_ids, self.users),
            ("item_id", self.item_ids, self.items),
        ):
            for place in ids.is_in(DOUBTFUL).arg_true():
                rows = int((codes == place).sum())
                notes.append(f"{what} {ids[place]!r} stands in {rows:,} rows: is it a missing one?")
        return notes

    def counts_up(self) -> bool:
        """Whether the times are but positions: 0, 1, 2 … (or from 1) within each user."""
        times = whole_seconds(self.feedback["time"]).to_numpy()
        first = times.min()
        if first not in (0, 1):
            return False
        order = self.by_user()
        begins = np.cumsum(np.bincount(self.users))[:-1]
        positions = np.arange(len(order)) - np.concatenate([[0], begins])[self.users[order]]
        return bool((times[order] == positions + first).all())


def _checked(
    values: pl.Series, name: str, events: pl.Series | None, calendar: str | None
) -> pl.Series | None:
    """A column of feedback with a value in every row; None for times and events that are empty.

    A number may be missing (null) in all rows of one kind of event: hours belong to what was
    played, not to what was bought.
    """
    if values.name == "time":
        values = in_seconds(values, name, calendar=calendar)
    elif values.name == "event":
        values = as_ids(values, name)
    elif values.name == "liked":
        return as_numbers(values, name)  # who did not say it said nothing
    elif values.name == "propensity":
        return _probabilities(as_numbers(values, name), name)
    elif values.name == "session":
        return as_ids(values, name).fill_null("")  # rows without one next to each other are one
    else:
        values = as_numbers(values, name)
    if values.name in ("time", "event") and values.null_count() == len(values):
        return None
    owed = None
    if values.name in ("rating", "weight") and events is not None:
        values = values.fill_nan(None)
        owed = _has_number(values, events)
    _require(values, name, "an event" if values.name == "event" else "a number", owed)
    return values


def _probabilities(values: pl.Series, name: str) -> pl.Series:
    """Propensities, null where nobody told them; one of 0 cannot have been shown."""
    values = values.fill_nan(None)
    odd = (~((values > 0) & (values <= 1))).fill_null(False).arg_true()
    if len(odd):
        raise DataError(
            f"{name}: propensity of row {odd[0] + 1} is {values[int(odd[0])]}; expected the "
            "probability with which the item was shown, above 0 and at most 1, or nothing where "
            "it is not known"
        )
    return values


def _has_number(values: pl.Series, events: pl.Series) -> pl.Series:
    """Rows of the kinds of events of which some row has a number, Boolean (n,)."""
    table = pl.DataFrame({"event": events, "there": values.is_not_null()})
    return table.select(pl.col("there").any().over("event")).to_series()


def _require(values: pl.Series, name: str, kind: str, owed: pl.Series | None = None) -> None:
    missing = values.is_null()
    if values.dtype.is_float():
        missing |= ~values.is_finite()
    if owed is not None:
        missing = missing.fill_null(True) & owed
    if missing.any():
        rows = missing.fill_null(True).arg_true()
        raise DataError(
            f"{name}: {values.name} of row {rows[0] + 1} is missing, NaN or infinite "
            f"({len(rows)} such rows of {len(values)}); expected {kind} in every row, so fill them "
            "or remove the rows"
        )


def coded(ids: pl.Series, name: str) -> tuple[pl.Series, IntArray]:
    """The distinct ids by first appearance, and which one stands in each row.

    Raises:
        DataError: a row has none; an empty text is none.
    """
    texts = as_ids(ids, name)
    distinct, codes = _distinct(texts)
    empty = distinct.filter(distinct.is_null() | (distinct.str.strip_chars() == ""))
    if len(empty):
        rows = (texts.is_null() | texts.is_in(empty.drop_nulls().to_list())).arg_true()
        raise DataError(
            f"{name}: {ids.name} of row {rows[0] + 1} is missing ({len(rows)} such rows of "
            f"{len(ids)}); expected an id in every row, so fill them or remove the rows"
        )
    return distinct, codes


def _distinct(texts: pl.Series) -> tuple[pl.Series, IntArray]:
    """The distinct texts by first appearance, and which one stands in each row.

    Numbers join faster than texts, so hashes of the texts are joined, and then it is made sure that
    no two texts had one hash.
    """
    keys = texts.hash()
    first = keys.arg_unique().sort()
    distinct, codes = texts.gather(first), _places(keys, keys.gather(first))
    if not distinct.gather(codes).eq_missing(texts).all():
        distinct = texts.unique(maintain_order=True)
        codes = _places(texts, distinct)
    return distinct, codes


def _places(values: pl.Series, distinct: pl.Series) -> IntArray:
    """Where each value stands among the distinct ones, int64 (n_rows,)."""
    places = distinct.to_frame("key").with_row_index("place")
    found = values.to_frame("key").join(
        places, on="key", how="left", maintain_order="left", nulls_equal=True
    )
    return found["place"].to_numpy().astype(np.int64)


def rows_of(table: pl.DataFrame, order: IntArray) -> pl.DataFrame:
    """The rows of a table in another order; numpy moves numbers faster than polars."""
    columns = [
        pl.Series(column.name, column.to_numpy()[order], dtype=column.dtype)
        if column.dtype.is_numeric() and column.null_count() == 0
        else column[order]
        for column in table
    ]
    return pl.DataFrame(columns)


def _renumbered(ids: pl.Series, codes: IntArray) -> tuple[pl.Series, IntArray]:
    """Ids and codes in the order in which the codes first appear."""
    distinct = pl.Series(codes).unique(maintain_order=True).to_numpy()
    places = np.empty(len(ids), dtype=np.int64)
    places[distinct] = np.arange(len(distinct))
    return ids[distinct], places[codes]
