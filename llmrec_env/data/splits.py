"""Splits a log into train, validation and test: by user, by last items, or by time.

Every held-out log carries the history that may be read, and says in ``first_target`` where the part
to be predicted begins. The three logs share one catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array
from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog, check_log

FRACTIONS = (0.8, 0.1, 0.1)


class Split(NamedTuple):
    """The three parts of a log.

    Attributes:
        train: what may be learned from.
        validation: held out, to choose by.
        test: held out, to report.
    """

    train: InteractionLog
    validation: InteractionLog
    test: InteractionLog


def split_by_user(
    log: InteractionLog, seed: int = 0, fractions: Sequence[float] = FRACTIONS
) -> Split:
    """Give each user, with all interactions, to one of the three parts.

    Args:
        log: the interactions.
        seed: of the draw of the users.
        fractions: shares of the users in train, validation and test; they sum to 1.

    Raises:
        DataError: the fractions are not three shares of 1, or a part would be empty.
    """
    check_log(log)
    check_whole("seed", seed, 0)
    bounds = np.round(np.cumsum(_shares(fractions))[:-1] * log.n_users).astype(np.int64)
    order = np.random.default_rng(seed).permutation(log.n_users)
    parts = [log.select_users(np.sort(users)) for users in np.split(order, bounds)]
    return _checked(Split(*parts), f"by user {tuple(fractions)} of {log.n_users} users")


def split_last_out(log: InteractionLog) -> Split:
    """Hold out each user's last two interactions: the second last to validate, the last to test.

    Users with fewer than three interactions stay whole in train and nowhere else.

    Raises:
        DataError: no user has three interactions.
    """
    check_log(log)
    enough = log.lengths >= 3
    held_out = np.where(enough, 2, 0)
    from_end = np.repeat(log.lengths, log.lengths) - log.row_positions
    tested = log.select_users(np.flatnonzero(enough))
    validated = tested.keep(tested.row_positions < np.repeat(tested.lengths, tested.lengths) - 1)
    split = Split(
        train=log.keep(from_end > np.repeat(held_out, log.lengths)),
        validation=validated.with_first_target(validated.lengths - 1),
        test=tested.with_first_target(tested.lengths - 1),
    )
    return _checked(split, "leave last out: it needs users with three interactions")


def split_by_time(
    log: InteractionLog,
    fractions: Sequence[float] = FRACTIONS,
    cutoffs: tuple[int, int] | None = None,
) -> Split:
    """Cut the whole log at two moments: train before the first, test from the second on.

    A held-out user brings all earlier interactions as history. A user of whom a part holds nothing
    but the very first interaction is left out of it: there is no history to predict it from.

    Args:
        log: the interactions, each with a time.
        fractions: shares of the interactions, which choose the cut-offs.
        cutoffs: the two moments themselves, in the unit of the log's time; ``fractions`` is then
            not read.

    Raises:
        DataError: the log has no time column, the cut-offs are not in order, or a part is empty.
    """
    check_log(log)
    if not log.has_time:
        raise DataError(
            "split by time: this log has no time for every interaction, only an order; "
            "split by user or leave the last ones out instead"
        )
    times = log.feedback["time"].to_numpy()
    if cutoffs is None:
        shares = np.cumsum(_shares(fractions))[:2]
        first, second = np.sort(times)[np.minimum(shares * len(times), len(times) - 1).astype(int)]
    else:
        first, second = cutoffs
    if first >= second:
        raise DataError(
            f"split by time: the cut-offs {first} and {second} leave nothing between them; "
            "the first must be the earlier one"
        )
    split = Split(
        train=log.keep(times < first),
        validation=_held_out(log, times < second, times >= first),
        test=_held_out(log, np.ones(len(log), dtype=bool), times >= second),
    )
    return _checked(split, f"by time at {first} and {second}")


def _held_out(log: InteractionLog, readable: BoolArray, target: BoolArray) -> InteractionLog:
    """The users with a predictable target, with their readable rows and where the targets begin."""
    before = np.bincount(log.row_users[readable & ~target], minlength=log.n_users)
    total = np.bincount(log.row_users[readable], minlength=log.n_users)
    first_target = np.maximum(before, 1)
    has_target = total > first_target
    marked = log.with_first_target(first_target)
    return marked.keep(readable & has_target[log.row_users])


def _shares(fractions: Sequence[float]) -> Float64Array:
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (3,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise DataError(
            f"split: fractions must be three positive numbers that sum to 1, got {fractions!r}"
        )
    return shares


def _checked(split: Split, how: str) -> Split:
    for name, part in split._asdict().items():
        if part.n_users == 0:
            raise DataError(
                f"split {how}: the {name} part is empty; take a larger log or other shares"
            )
    return split


def some_users(log: InteractionLog, share: float, seed: int | Sequence[int]) -> InteractionLog:
    """A seeded choice of a share of the users, at least one."""
    count = max(1, round(share * log.n_users))
    chosen = np.random.default_rng(seed).permutation(log.n_users)[:count]
    return log.select_users(np.sort(chosen))
