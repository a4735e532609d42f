"""What held-out users are asked about: the draws behind ``Moments``."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives

USERS, PER_USER = 1000, 10
"""Held-out users, and moments of each, at most."""
EXPOSED, SKIPPED = 4, 4
"""Draws of an exposure, and skips, at each moment."""
REDRAWS = 50
CATEGORIES = ("category", "genres", "tags")
"""Columns that say of which kind an item is; the first name in it counts."""


def kinds(catalogue: Catalogue) -> IntArray | None:
    """The kind of each item, int64 (n_items,), -1 where unknown; None where the catalogue has no
    such column, or all are of one kind."""
    for column in CATEGORIES:
        if column not in catalogue.table.columns:
            continue
        name = pl.col(column).str.split(",").list.first().str.strip_chars()
        names = catalogue.table.select(name.alias("kind"))["kind"].fill_null("")
        codes = names.rank("dense").to_numpy().astype(np.int64)
        codes[(names == "").to_numpy()] = -1
        if len(np.unique(codes[codes >= 0])) > 1:
            return codes
    return None


def moments_of(log: InteractionLog, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Users and how many items each took before, in the order of the log."""
    first = np.maximum(log.first_target, 1)
    last = log.lengths - 1
    if log.skips is not None:  # after the last take there may be skips
        whose = log.skips.row_users
        last[np.unique(whose[log.skips.after == log.lengths[whose]])] += 1
    able = np.flatnonzero((last >= first) & (log.lengths > first))
    able = np.sort(rng.permutation(able)[:USERS])
    users, before = [], []
    for user in able.tolist():
        places = rng.permutation(np.arange(first[user], last[user] + 1))[:PER_USER]
        users.append(np.full(len(places), user))
        before.append(np.sort(places))
    empty = np.empty(0, dtype=np.int64)
    return np.concatenate([empty, *users]), np.concatenate([empty, *before])


class Seen:
    """When each user first took each item."""

    def __init__(self, log: InteractionLog) -> None:
        self._n_items = log.n_items
        keys = log.row_users * log.n_items + log.items
        self._keys, first = np.unique(keys, return_index=True)
        self._positions = log.row_positions[first]

    def before(self, users: IntArray, items: IntArray, before: IntArray | None) -> BoolArray:
        """Whether a user had taken an item by then; ever, where ``before`` is None."""
        keys = users * self._n_items + items
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        found = self._keys[place] == keys
        return found if before is None else found & (self._positions[place] < before)


def never_taken(
    log: InteractionLog, users: IntArray, popular_share: float, seen: Seen, rng: np.random.Generator
) -> IntArray:
    """An item that the user never took, int64 (n,); -1 for those who took everything."""
    drawn = Negatives(log, popular_share, any_where_none=True).draw(users, rng)
    return np.where(seen.before(users, drawn, None), -1, drawn)


def same_category(
    log: InteractionLog, users: IntArray, taken: IntArray, seen: Seen, rng: np.random.Generator
) -> IntArray:
    """An item of the taken one's kind that the user never took, int64 (n,); -1 where none."""
    codes = kinds(log.catalogue)
    if codes is None:
        return np.full(len(users), -1)
    order = np.argsort(codes, kind="stable")
    wanted = np.where(taken >= 0, codes[taken], -1)
    begin = np.searchsorted(codes[order], wanted)
    count = np.searchsorted(codes[order], wanted, side="right") - begin
    found = np.full(len(users), -1)
    missing = np.flatnonzero(wanted >= 0)
    for _ in range(REDRAWS):
        place = begin[missing] + np.floor(rng.random(len(missing)) * count[missing]).astype(int)
        drawn = order[place]
        new = ~seen.before(users[missing], drawn, None)
        found[missing[new]] = drawn[new]
        missing = missing[~new]
    return found


def exposed(
    users: IntArray,
    before: IntArray,
    counts: IntArray | None,
    n_items: int,
    seen: Seen,
    new_only: bool,
    rng: np.random.Generator,
) -> IntArray:
    """Items as somebody might have shown them, int64 (n, EXPOSED): in proportion to ``counts``, or
    all alike; none that the user had seen, where nothing is taken twice."""
    users, before = np.repeat(users, EXPOSED), np.repeat(before, EXPOSED)
    weights = np.ones(n_items) if counts is None else counts.astype(np.float64)
    reached = np.cumsum(weights / weights.sum())

    def draw(n: int) -> IntArray:
        place = np.searchsorted(reached, rng.random(n), side="right")
        return np.minimum(place, n_items - 1).astype(np.int64)

    items = draw(len(users))
    for _ in range(REDRAWS if new_only else 0):
        again = np.flatnonzero(seen.before(users, items, before))
        items[again] = draw(len(again))
    return items.reshape(-1, EXPOSED)


def skipped_at(
    log: InteractionLog, users: IntArray, before: IntArray, rng: np.random.Generator
) -> tuple[IntArray, Float64Array]:
    """Up to :data:`SKIPPED` items shown and left at each moment, and how many each stands for."""
    found = np.full((len(users), SKIPPED), -1, dtype=np.int64)
    stands_for = np.zeros(len(users))
    if log.skips is None:
        return found, stands_for
    for row, (user, count) in enumerate(zip(users.tolist(), before.tolist(), strict=True)):
        items, after = log.skips.of_user(user)
        own = items[np.searchsorted(after, count) : np.searchsorted(after, count, side="right")]
        kept = own[rng.permutation(len(own))[:SKIPPED]]
        found[row, : len(kept)] = kept
        stands_for[row] = len(own) / max(1, len(kept))
    return found, stands_for
