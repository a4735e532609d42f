"""Negative sampling: items that a user never took, drawn uniformly, by popularity, or of those that
they were shown and did not take."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog

ROUNDS = 100  # redraws as asked, then as many uniform ones, before what a user left is listed


class Negatives:
    """Draws items that the users of a log never saw.

    Args:
        log: what counts as seen: past and later items alike.
        popular_share: share of the draws that follow the items' counts; the rest are uniform, as
            are those for a user who has seen whatever counts (the only user of a log has).
        any_where_none: whether a user who saw every item gets any of them, from which nothing can
            be learned of taking; else such a user is refused.
    """

    def __init__(
        self, log: InteractionLog, popular_share: float, any_where_none: bool = False
    ) -> None:
        self._n_items = log.n_items
        self._seen = np.unique(log.row_users * log.n_items + log.items)
        counts = log.item_counts().astype(np.float64)
        self._cumulative = np.cumsum(counts / counts.sum())
        self._popular_share = popular_share
        held = np.bincount(self._seen // log.n_items, minlength=log.n_users)
        self._parts = _Parts(log) if len(log.catalogue.parts) > 1 else None
        there = log.n_items if self._parts is None else self._parts.sizes
        self._saw_all = (held == there) & any_where_none

    def draw(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each of ``users`` int64 (N,); int64 (N,).

        Raises:
            DataError: a user has seen every item.
        """
        items = self._propose(users, self._popular_share, rng)
        for redraw in range(2 * ROUNDS):
            seen = np.flatnonzero(self._is_seen(users, items) & ~self._saw_all[users])
            if len(seen) == 0:
                return items
            share = self._popular_share if redraw < ROUNDS else 0.0
            items[seen] = self._propose(users[seen], share, rng)
        items[seen] = [self._left(int(user), rng) for user in users[seen]]
        return items

    def _left(self, user: int, rng: np.random.Generator) -> int:
        """One of the few items that a user never saw."""
        first, last = np.searchsorted(self._seen, [user, user + 1] * np.array(self._n_items))
        there = np.arange(self._n_items) if self._parts is None else self._parts.items_of(user)
        left = np.setdiff1d(there, self._seen[first:last] % self._n_items)
        if not len(left):
            raise DataError(
                f"user {user} has seen all of the {len(there)} items; no item is left to tell "
                "the taken ones from"
            )
        return int(rng.choice(left))

    def _propose(self, users: IntArray, popular_share: float, rng: np.random.Generator) -> IntArray:
        count = len(users)
        if self._parts is not None:
            by_counts = rng.random(count) < popular_share
            uniform, popular = self._parts.uniform(users, rng), self._parts.popular(users, rng)
            return np.where(by_counts, popular, uniform)
        popular = np.searchsorted(self._cumulative, rng.random(count), side="right")
        uniform = rng.integers(0, self._n_items, count)
        items = np.where(rng.random(count) < popular_share, popular, uniform)
        return np.minimum(items, self._n_items - 1).astype(np.int64)

    def _is_seen(self, users: IntArray, items: IntArray) -> BoolArray:
        keys = users * self._n_items + items
        place = np.minimum(np.searchsorted(self._seen, keys), len(self._seen) - 1)
        return self._seen[place] == keys


def uniform_items(log: InteractionLog, users: IntArray, rng: np.random.Generator) -> IntArray:
    """An item for each of ``users`` int64 (N,), seen or not, from the catalogue that is theirs."""
    if len(log.catalogue.parts) == 1:
        return rng.integers(0, log.n_items, len(users))
    return _Parts(log).uniform(users, rng)


class _Parts:
    """Draws for users of several joined logs, each from the catalogue of their own."""

    def __init__(self, log: InteractionLog) -> None:
        parts = log.catalogue.parts
        self._order = np.concatenate(parts)
        self._begins = np.cumsum([0, *map(len, parts)])
        part_of = np.empty(log.n_items, dtype=np.int64)
        for number, items in enumerate(parts):
            part_of[items] = number
        firsts = log.items[np.minimum(log.offsets[:-1], max(0, len(log) - 1))]
        self._part = part_of[firsts]
        counts = log.item_counts()[self._order].astype(np.float64)
        self._cumulative = np.cumsum(np.concatenate([[0.0], counts]))

    @property
    def sizes(self) -> IntArray:
        """Items that there are for each user, int64 (n_users,)."""
        return np.diff(self._begins)[self._part]

    def items_of(self, user: int) -> IntArray:
        """The items of a user's catalogue."""
        part = self._part[user]
        return self._order[self._begins[part] : self._begins[part + 1]]

    def uniform(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each user, int64 (N,)."""
        return self._order[self._begins[self._part[users]] + rng.integers(0, self.sizes[users])]

    def popular(self, users: IntArray, rng: np.random.Generator) -> IntArray:
        """The same in proportion to how often the items were taken."""
        part = self._part[users]
        low, high = self._begins[part], self._begins[part + 1]
        least, most = self._cumulative[low], self._cumulative[high]
        wanted = least + rng.random(len(users)) * (most - least)
        place = np.searchsorted(self._cumulative, wanted, side="right") - 1
        return self._order[np.clip(place, low, high - 1)]


class SkippedItems:
    """Draws what users were shown and did not take, at the steps at which they were shown it.

    What a user took at any other time is never drawn: it is no item that they do not want.

    Args:
        log: its skips, if it has any.
        by_step: whether an item is drawn only at the step to which its skip belongs; else at every
            step of its user, as where a log has no order.
    """

    def __init__(self, log: InteractionLog, by_step: bool = True) -> None:
        self._by_step, self._span = by_step, int(log.lengths.max(initial=0)) + 1
        self._keys = self._items = np.empty(0, dtype=np.int64)
        if log.skips is None:
            return
        users = log.skips.row_users
        taken = np.unique(log.row_users * log.n_items + log.items)
        wanted = np.isin(users * log.n_items + log.skips.items, taken)
        self._items = log.skips.items[~wanted]
        self._keys = self._key(users, log.skips.after)[~wanted]

    def __len__(self) -> int:
        return len(self._items)

    def draw(self, users: IntArray, steps: IntArray, rng: np.random.Generator) -> IntArray:
        """One skipped item for each step, int64 (N,); -1 where nothing was skipped.

        Args:
            users: int64 (N,).
            steps: int64 (N,), how many items each took before.
            rng: of the draws.
        """
        keys = self._key(users, np.minimum(steps, self._span - 1))
        first = np.searchsorted(self._keys, keys)
        count = np.searchsorted(self._keys, keys, side="right") - first
        place = first + np.floor(rng.random(len(keys)) * count).astype(np.int64)
        drawn = np.full(len(keys), -1, dtype=np.int64)
        drawn[count > 0] = self._items[place[count > 0]]
        return drawn

    def _key(self, users: IntArray, steps: IntArray) -> IntArray:
        return users * self._span + steps if self._by_step else users


class UnseenItems:
    """Uniform draws from the items that a user never saw, past or later, without rejection.

    With the user's ``m`` distinct items in order, the r-th unseen item is ``r`` plus the number of
    seen items before it, which is found by bisection.

    Raises:
        DataError: a user saw every item.
    """

    def __init__(self, log: InteractionLog) -> None:
        self._span = log.n_items + 1
        seen = np.unique(log.row_users * self._span + log.items)
        users, items = np.divmod(seen, self._span)
        self._first = np.searchsorted(users, np.arange(log.n_users + 1))
        self._n_unseen = log.n_items - np.diff(self._first)
        if not self._n_unseen.all():
            user = log.user_ids[int(np.argmin(self._n_unseen))]
            raise DataError(
                f"user {user!r} has seen all {log.n_items} items: no negative can be drawn "
                "for them; leave such users out, or learn without negatives "
                "(objective='supervised')"
            )
        place = np.arange(len(seen)) - self._first[users]
        self._keys = users * self._span + (items - place)

    def sample(self, users: IntArray, n: int, rng: np.random.Generator) -> IntArray:
        """``n`` items for each of ``users`` int64 (P,), with replacement: int64 (P, n)."""
        drawn = rng.integers(0, self._n_unseen[users][:, None], size=(len(users), n))
        keys = users[:, None] * self._span + drawn
        before = np.searchsorted(self._keys, keys, side="right") - self._first[users][:, None]
        return drawn + before
