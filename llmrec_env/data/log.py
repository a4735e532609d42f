"""``InteractionLog``: which user took which item, when and with what feedback, in columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, IntArray, ragged_rows, read_only
from llmrec_env.common.checks import check_indices, check_kind, check_whole
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import atomic_path, fingerprint
from llmrec_env.common.forking import fork_safe
from llmrec_env.data.catalogue import OF_ITEMS, Catalogue
from llmrec_env.data.interactions import Interactions, rows_of
from llmrec_env.data.labels import divide_by_label, place_skips, read_liked
from llmrec_env.data.parquet import read_parquet
from llmrec_env.data.reading import Reading
from llmrec_env.data.skips import AT_END, BEFORE, Skips
from llmrec_env.data.times import whole_seconds

HELD_OUT = "first_target"  # the column that a saved log keeps it in
OF_USERS = "log.user_index(id) finds the index of an external id"
EVENT_REWARD = "event_reward"  # and that in which it keeps rewards of the caller's own


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """Interactions sorted by user and time; user ``u`` owns rows ``offsets[u] : offsets[u+1]``.

    Attributes:
        catalogue: the items that the log speaks of.
        user_ids: external ids of the users, String, shape (n_users,).
        offsets: int64, shape (n_users + 1,).
        items: int64 item indices, shape (n_interactions,), oldest first within a user.
        feedback: the optional columns ``time`` (seconds, Int64), ``rating`` (Float32),
            ``event`` (String), ``weight`` (Float32), ``liked`` (Float32: 1, 0, or NaN where it
            was not said) and ``propensity`` (Float32: the probability with which whoever
            recommended showed the item at this step, null where that is not known) and ``session``
            (String: the session of the user that it belongs to), each of n_interactions rows.
        first_target: int64, shape (n_users,): the first position in each user's sequence that is
            held out, so an evaluation predicts positions ``first_target[u]`` and later from what
            stands before them. 1 everywhere unless a split says otherwise.
        reading: how the log was read: columns used and not used, what orders it, what was done with
            ratings and events.
        skips: what was shown and not taken; None where the log does not tell.
    """

    catalogue: Catalogue
    user_ids: pl.Series
    offsets: IntArray
    items: IntArray
    feedback: pl.DataFrame = field(default_factory=pl.DataFrame)
    first_target: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    reading: Reading = field(default_factory=Reading)
    skips: Skips | None = None

    def __post_init__(self) -> None:
        if len(self.offsets) != self.n_users + 1 or int(self.offsets[-1]) != len(self.items):
            raise DataError(
                f"log: offsets of shape {self.offsets.shape} do not fit {self.n_users} users and "
                f"{len(self.items)} interactions"
            )
        if len(self.items) and not 0 <= int(self.items.min()) <= int(self.items.max()) < len(
            self.catalogue
        ):
            raise DataError(
                f"log: item indices must lie in [0, {len(self.catalogue)}), "
                f"got {int(self.items.min())} to {int(self.items.max())}"
            )
        if len(self.first_target) == 0:
            object.__setattr__(self, "first_target", np.ones(self.n_users, dtype=np.int64))
        if self.skips is not None:
            self.skips.check(np.diff(self.offsets), len(self.catalogue))
        for name in ("offsets", "items", "first_target"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    def __deepcopy__(self, memo: dict[int, Any]) -> InteractionLog:
        """Itself: a log is immutable, so copies of an environment's arguments share it."""
        return self

    @classmethod
    @fork_safe
    def from_table(
        cls,
        catalogue: Catalogue,
        table: pl.DataFrame,
        name: str = "interactions",
        reading: Reading | None = None,
    ) -> InteractionLog:
        """Build a log from one row an interaction.

        Args:
            catalogue: the items.
            table: columns ``user_id`` and ``item_id`` (external ids) and any of ``time`` (seconds,
                dates, moments or ISO texts), ``rating``, ``event``, ``weight``, ``liked`` (1 or 0),
                ``propensity``, ``session`` and ``label`` (1: taken, 0: shown and not taken, which
                become :attr:`skips`); others are passed over. Without a time, or with an empty one,
                the order of the rows counts.
            name: what to call the table in an error, such as the file's path.
            reading: how the table was read, for the log's record.

        Raises:
            DataError: the table is empty, a column is missing or of a type that it cannot have, an
                item is unknown, or a row lacks an id, a time or a number that others have.
        """
        check_kind("the table of a log", table, pl.DataFrame, "llmrec_env.load(path) reads files")
        check_kind("catalogue", catalogue, Catalogue)
        taken, skipped, _ = divide_by_label(table, name)
        interactions = Interactions.of(read_liked(taken, name)[0], name)
        timed = "time" in interactions.feedback.columns
        reading = reading or Reading(order="time" if timed else "unknown")
        log = cls.of_interactions(catalogue, interactions, name, reading)
        return log if skipped is None else log.with_skips(place_skips(interactions, skipped, name))

    @classmethod
    def of_interactions(
        cls, catalogue: Catalogue, interactions: Interactions, name: str, reading: Reading
    ) -> InteractionLog:
        """Build a log from a table that was checked.

        Args:
            catalogue: the items.
            interactions: the rows, in any order.
            name: what to call them in an error.
            reading: how they were read.

        Raises:
            DataError: an item is unknown.
        """
        try:
            places = catalogue.index_of(interactions.item_ids)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        order = interactions.by_user()
        counts = np.bincount(interactions.users, minlength=len(interactions.user_ids))
        feedback = rows_of(interactions.feedback, order)
        if "time" in feedback.columns:
            feedback = feedback.with_columns(whole_seconds(feedback["time"]))
        return cls(
            catalogue=catalogue,
            user_ids=interactions.user_ids.alias("user_id"),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            items=places[interactions.items[order]],
            feedback=feedback,
            reading=reading,
        )

    def with_skips(self, table: pl.DataFrame) -> InteractionLog:
        """The same log with what was shown and not taken.

        Args:
            table: ``user_id`` and ``item_id`` (external ids) and ``after`` (how many of the user's
                interactions came before), in the order in which they were shown. Rows of users or
                items that the log does not know are left out.

        Raises:
            DataError: a skip stands after more interactions than its user has.
        """
        users, items = (
            table[name].replace_strict(known, default=-1, return_dtype=pl.Int64).to_numpy()
            for name, known in (
                ("user_id", {name: place for place, name in enumerate(self.user_ids)}),
                ("item_id", {name: place for place, name in enumerate(self.catalogue.ids)}),
            )
        )
        known = (users >= 0) & (items >= 0)
        after = table["after"].to_numpy().astype(np.int64)[known]
        return replace(self, skips=Skips.of(self.n_users, users[known], items[known], after))

    def skips_of(self, user: int) -> tuple[IntArray, IntArray]:
        """What one user was shown and did not take, in that order.

        Args:
            user: the user's index.

        Returns:
            The items, int64 (n,), and after how many of the user's interactions each was shown,
            int64 (n,), from 0 to all of them; both empty where the log tells none.

        Raises:
            SettingError: there is no such user.
        """
        self._check_user(user)
        if self.skips is None:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        return self.skips.of_user(user)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @property
    def users_fingerprint(self) -> str:
        """A fingerprint of the users' names, whatever their order."""
        return fingerprint(sorted(self.user_ids.to_list()))

    @property
    def interactions_fingerprint(self) -> str:
        """A fingerprint of who took what in which order, by the numbers of users and items."""
        return fingerprint([self.items.tobytes(), self.offsets.tobytes()])

    @property
    def n_items(self) -> int:
        """Number of items in the catalogue."""
        return len(self.catalogue)

    @property
    def lengths(self) -> IntArray:
        """Interactions of each user, int64, shape (n_users,)."""
        return np.diff(self.offsets)

    @property
    def has_time(self) -> bool:
        """Whether every interaction has a time."""
        return "time" in self.feedback.columns and self.feedback["time"].null_count() == 0

    @property
    def is_ordered(self) -> bool:
        """Whether it is known in which order users took things."""
        return self.reading.order not in ("unknown", "shuffled")

    @property
    def row_users(self) -> IntArray:
        """The user of each interaction, int64, shape (n_interactions,)."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    @classmethod
    def of_strangers(cls, catalogue: Catalogue, sequences: Sequence[IntArray]) -> InteractionLog:
        """A log of users whom nobody knows by name, from int64 sequences of items."""
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        return cls(
            catalogue=catalogue,
            user_ids=pl.Series([""] * len(sequences), dtype=pl.String),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            items=np.concatenate([np.empty(0, dtype=np.int64), *sequences]),
        ).with_strangers()

    def with_strangers(self) -> InteractionLog:
        """The same log of users whom nobody knows by name."""
        names = pl.Series([f"stranger {i}" for i in range(self.n_users)], dtype=pl.String)
        return replace(self, user_ids=names)

    @property
    def row_positions(self) -> IntArray:
        """The position of each interaction in its user's sequence, shape (n_interactions,)."""
        return np.arange(len(self)) - np.repeat(self.offsets[:-1], self.lengths)

    @property
    def row_goes_on(self) -> BoolArray:
        """Whether another interaction of the same user follows, shape (n_interactions,)."""
        goes_on = np.ones(len(self), dtype=bool)
        goes_on[self.offsets[1:][self.lengths > 0] - 1] = False
        return goes_on

    def sequence(self, user: int) -> IntArray:
        """The items of one user, oldest first.

        Args:
            user: the user's index, in [0, n_users).

        Raises:
            SettingError: there is no such user.
        """
        self._check_user(user)
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def _check_user(self, user: int) -> None:
        if type(user) not in (int, np.int64) or not 0 <= user < len(self.offsets) - 1:
            check_whole("user", user, 0, self.n_users - 1)

    def sequences(self) -> list[IntArray]:
        """The items of each user, oldest first (views, not copies)."""
        return np.split(self.items, self.offsets[1:-1])

    def item_counts(self) -> IntArray:
        """How often each item occurs, int64, shape (n_items,)."""
        return np.bincount(self.items, minlength=self.n_items).astype(np.int64)

    def user_index(self, user_id: str) -> int:
        """The index of an external user id.

        Raises:
            DataError: no such user.
        """
        found = self.user_ids.index_of(str(user_id))
        if found is None:
            raise DataError(f"unknown user id {user_id!r}: the log has {self.n_users} users")
        return int(found)

    def keep(self, rows: BoolArray) -> InteractionLog:
        """The log of only the interactions where ``rows`` is true; users left empty are dropped.

        Args:
            rows: bool (n_interactions,).

        Raises:
            DataError: it is of another shape or kind.
        """
        rows = np.asarray(rows)
        if rows.dtype != np.bool_ or rows.shape != (len(self),):
            raise DataError(
                f"rows must be bool of shape ({len(self)},), one an interaction; got {rows.dtype} "
                f"of shape {rows.shape}"
            )
        counts = np.bincount(self.row_users[rows], minlength=self.n_users)
        users = np.flatnonzero(counts)
        return replace(
            self,
            user_ids=self.user_ids[users],
            offsets=np.concatenate([[0], np.cumsum(counts[users])]).astype(np.int64),
            items=self.items[rows],
            feedback=rows_of(self.feedback, np.flatnonzero(rows)),
            first_target=self.first_target[users],
            skips=None
            if self.skips is None
            else self.skips.kept(self.offsets, rows).select_users(users),
        )

    def keep_items(self, items: IntArray) -> InteractionLog:
        """The log of some items alone, whose catalogue is these in that order.

        Users who took none of them are dropped.

        Args:
            items: int64 (M,), each once.

        Raises:
            DataError: there is no such item.
        """
        items = check_indices("items", items, self.n_items, OF_ITEMS)
        places = np.full(self.n_items, -1, dtype=np.int64)
        places[items] = np.arange(len(items))
        some = self.keep(places[self.items] >= 0)
        return some.with_items(self.catalogue.take(items), places)

    def rows_of(self, users: IntArray) -> tuple[IntArray, IntArray]:
        """The interactions of some users, one user after the other.

        Args:
            users: int64 (N,).

        Returns:
            Where each user's begin and the last one's end, int64 (N + 1,), and their places in
            ``items``, int64.
        """
        return ragged_rows(self.offsets, users)

    def select_users(self, users: Sequence[int] | IntArray) -> InteractionLog:
        """The log of some users, in the order given.

        Args:
            users: int64 (N,), their indices.

        Raises:
            DataError: there is no such user.
        """
        chosen = np.atleast_1d(check_indices("users", users, self.n_users, OF_USERS))
        offsets, rows = self.rows_of(chosen)
        return replace(
            self,
            user_ids=self.user_ids[chosen],
            offsets=offsets,
            items=self.items[rows],
            feedback=rows_of(self.feedback, rows),
            first_target=self.first_target[chosen],
            skips=None if self.skips is None else self.skips.select_users(chosen),
        )

    def with_items(self, catalogue: Catalogue, new_index: IntArray) -> InteractionLog:
        """The same log over another catalogue.

        Args:
            catalogue: which must hold every item that was taken.
            new_index: int64 (n_items,), where each item stands in it, -1 for none; what was
                skipped of these is left out.
        """
        return replace(
            self,
            catalogue=catalogue,
            items=new_index[self.items],
            skips=None if self.skips is None else self.skips.renumbered(new_index),
        )

    def with_first_target(self, first_target: IntArray) -> InteractionLog:
        """The same log with other held-out positions.

        Args:
            first_target: int64 (n_users,).

        Raises:
            DataError: they are not one a user.
        """
        first = check_indices("first_target", first_target, np.iinfo(np.int64).max)
        if first.shape != (self.n_users,):
            raise DataError(f"first_target needs one for each of {self.n_users} users")
        return replace(self, first_target=first)

    def to_table(self) -> pl.DataFrame:
        """One row an interaction: ``user_id``, ``item_id`` and the feedback columns."""
        table = pl.DataFrame(
            {
                "user_id": self.user_ids[self.row_users],
                "item_id": self.catalogue.table["item_id"][self.items],
            }
        )
        return pl.concat([table, self.feedback], how="horizontal") if self.feedback.width else table

    @fork_safe
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the interactions as parquet (the catalogue is saved apart)."""
        held_out = pl.Series(HELD_OUT, self.first_target[self.row_users])
        table = self.to_table().with_columns(held_out)
        if self.reading.event_rewards and "event" in table.columns:
            rewards = table["event"].replace_strict(self.reading.event_rewards, default=None)
            table = table.with_columns(rewards.cast(pl.Float64).alias(EVENT_REWARD))
        if self.skips is not None:
            skipped = self.skips.beside(self.offsets, self.catalogue.table["item_id"])
            table = pl.concat([table, skipped], how="horizontal")
        with atomic_path(path) as temporary:
            table.write_parquet(temporary)

    @classmethod
    @fork_safe
    def load(cls, path: str | os.PathLike[str], catalogue: Catalogue) -> InteractionLog:
        """Read a log that :meth:`save` wrote."""
        table = read_parquet(Path(path))
        liked = [table[name] for name in table.columns if name == "liked"]  # numbers by now
        log = cls.from_table(catalogue, table.drop("liked", strict=False), name=str(path))
        log = replace(log, feedback=pl.DataFrame([*log.feedback, *liked]))
        if EVENT_REWARD in table.columns:
            pairs = table.select("event", EVENT_REWARD).drop_nulls().unique().iter_rows()
            log = replace(log, reading=replace(log.reading, event_rewards=dict(pairs)))
        if {BEFORE, AT_END} <= set(table.columns):
            places = {name: place for place, name in enumerate(catalogue.ids)}
            log = replace(log, skips=Skips.of_lists(table, log.offsets, places))
        if HELD_OUT not in table.columns:
            return log
        return log.with_first_target(table[HELD_OUT].to_numpy()[log.offsets[:-1]])


def check_log(log: Any, name: str = "log") -> None:
    """Refuse what is no log, such as its path.

    Raises:
        DataError: it is none.
    """
    check_kind(name, log, InteractionLog, "llmrec_env.load(path) reads one")
