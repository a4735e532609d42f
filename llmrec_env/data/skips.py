"""``Skips``: what was shown to the users of a log and not taken, beside their interactions.

A skip belongs to the step that ends with the user's next interaction: the two were offered, and the
other one was taken. Skips of the same moment as an interaction stand before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, IntArray, ragged_rows, read_only
from llmrec_env.common.errors import DataError

COLUMNS = ("user_id", "item_id", "after")
"""Columns of a table of skips."""
BEFORE, AT_END = "skipped_before", "skipped_at_end"
"""Columns in which a saved log keeps them: lists of item ids beside each interaction."""


@dataclass(frozen=True, eq=False)
class Skips:
    """Items shown and not taken, sorted by user and then in the order in which they were shown.

    User ``u`` owns rows ``offsets[u] : offsets[u + 1]``.

    Attributes:
        offsets: int64, shape (n_users + 1,).
        items: int64 item indices, shape (n_skips,).
        after: int64, shape (n_skips,): how many of the user's interactions came before, from 0 to
            all of them; it never falls within a user.
    """

    offsets: IntArray
    items: IntArray
    after: IntArray

    def __post_init__(self) -> None:
        for name in ("offsets", "items", "after"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @classmethod
    def of(cls, n_users: int, users: IntArray, items: IntArray, after: IntArray) -> Skips:
        """Skips from rows in the order in which they were shown, of users in any order.

        Args:
            n_users: users of the log.
            users: int64 (n_skips,), indices of users.
            items: int64 (n_skips,).
            after: int64 (n_skips,).
        """
        order = np.lexsort((after, users))
        counts = np.bincount(users, minlength=n_users)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(offsets, items[order], after[order])

    def __len__(self) -> int:
        return len(self.items)

    @property
    def row_users(self) -> IntArray:
        """The user of each skip, int64, shape (n_skips,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def of_user(self, user: int) -> tuple[IntArray, IntArray]:
        """One user's skipped items, and how many interactions came before each."""
        own = slice(self.offsets[user], self.offsets[user + 1])
        return self.items[own], self.after[own]

    def check(self, lengths: IntArray, n_items: int) -> None:
        """Refuse skips that are not of a log's users.

        Args:
            lengths: int64 (n_users,), interactions of each user.
            n_items: of the catalogue.

        Raises:
            DataError: they are of other users or items, or after more interactions than there are.
        """
        if len(self.offsets) != len(lengths) + 1 or int(self.offsets[-1]) != len(self):
            raise DataError(
                f"skips: offsets of shape {self.offsets.shape} do not fit {len(lengths)} users and "
                f"{len(self)} skips"
            )
        if not len(self):
            return
        if not 0 <= int(self.items.min()) <= int(self.items.max()) < n_items:
            raise DataError(f"skips: item indices must lie in [0, {n_items})")
        if int(self.after.min()) < 0 or (self.after > lengths[self.row_users]).any():
            raise DataError("skips: one stands after more interactions than its user has")

    def select_users(self, users: IntArray) -> Skips:
        """The skips of some users, in the order given."""
        offsets, rows = ragged_rows(self.offsets, users)
        return Skips(offsets, self.items[rows], self.after[rows])

    def kept(self, offsets: IntArray, rows: BoolArray) -> Skips:
        """The skips of a log of which only some interactions are kept, and all its users.

        Where a user's last interactions are left out, so is what was skipped after the last one
        that is kept: it belongs to what came later.

        Args:
            offsets: int64 (n_users + 1,), of the log before.
            rows: bool (n_interactions,), which are kept.
        """
        before = np.concatenate([[0], np.cumsum(rows)])  # kept interactions before each place
        users = self.row_users
        first, end = offsets[:-1][users], offsets[1:][users]
        place = first + self.after
        is_last = np.concatenate([rows, [False]])[end - 1]  # whether the user's last one is kept
        stays = (before[end] > before[place]) | (is_last & (end > first))
        after = before[place] - before[first]
        return self._where(stays, after.astype(np.int64))

    def renumbered(self, new_index: IntArray) -> Skips:
        """The same skips with other item indices; those of items that become -1 are left out."""
        items = new_index[self.items]
        return Skips(self.offsets, items, self.after)._where(items >= 0, self.after)

    def shuffled(self, lengths: IntArray, seed: int) -> Skips:
        """The skips of a log without an order, each after a random number of interactions.

        Args:
            lengths: int64 (n_users,), interactions of each user.
            seed: of the draws.
        """
        drawn = np.random.default_rng([seed, 1]).random(len(self))
        after = np.floor(drawn * (lengths[self.row_users] + 1)).astype(np.int64)
        return Skips.of(len(lengths), self.row_users, self.items, after)

    def _where(self, stays: BoolArray, after: IntArray) -> Skips:
        counts = np.bincount(self.row_users[stays], minlength=len(self.offsets) - 1)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Skips(offsets, self.items[stays], after[stays])

    def beside(self, offsets: IntArray, ids: pl.Series) -> pl.DataFrame:
        """Two columns for a table of the log's interactions, lists of item ids: skipped just before
        each, and, in a user's last row, after it.

        Args:
            offsets: int64 (n_users + 1,), of the log.
            ids: the items' external ids.
        """
        users = self.row_users
        ends = self.after == np.diff(offsets)[users]
        place = offsets[:-1][users] + self.after - ends
        return pl.DataFrame(
            [
                _lists(BEFORE, place[~ends], ids[self.items[~ends]], int(offsets[-1])),
                _lists(AT_END, place[ends], ids[self.items[ends]], int(offsets[-1])),
            ]
        )

    @classmethod
    def of_lists(cls, table: pl.DataFrame, offsets: IntArray, places: dict[str, int]) -> Skips:
        """What :meth:`beside` made of them.

        Args:
            table: with its two columns, one row an interaction, in the order of the log.
            offsets: int64 (n_users + 1,), of the log.
            places: the index of each item id.
        """
        lengths = np.diff(offsets)
        row_users = np.repeat(np.arange(len(lengths)), lengths)
        positions = np.arange(len(row_users)) - offsets[:-1][row_users]
        parts = []
        for name, later in ((BEFORE, 0), (AT_END, 1)):
            rows = np.repeat(np.arange(table.height), table[name].list.len().to_numpy())
            ids = table[name].explode().drop_nulls()
            items = np.array([places[item] for item in ids], dtype=np.int64)
            parts.append((row_users[rows], items, positions[rows] + later))
        users, items, after = (np.concatenate(own) for own in zip(*parts, strict=True))
        return cls.of(len(lengths), users, items, after)


def _lists(name: str, places: IntArray, ids: pl.Series, n_rows: int) -> pl.Series:
    """A list of ids for each of ``n_rows`` places; ``places`` never fall."""
    found = pl.DataFrame({"place": places, name: ids}).group_by("place", maintain_order=True).all()
    rows = pl.DataFrame({"place": np.arange(n_rows)})
    lists = rows.join(found, on="place", how="left", maintain_order="left")[name]
    return lists.fill_null(pl.Series([[]], dtype=pl.List(pl.String))).rename(name)
