"""The log of a generated world: what its users take of what a logging policy offers them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.reading import Reading
from llmrec_env.data.skips import Skips
from llmrec_env.data.world.logging_policy import LoggingPolicy, draw_slates, propensities
from llmrec_env.data.world.parameters import WorldParameters
from llmrec_env.data.world.taste import TasteModel

START_OF_TIME = 1_600_000_000
SECONDS_A_DAY = 86_400


class Taken(NamedTuple):
    """What the users took; places past a user's length hold 0.

    Attributes:
        items: int64 (n_users, longest).
        propensities: float64 (n_users, longest), of having been shown.
        lengths: int64 (n_users,).
        skips: what was shown beside it and left: users, items, and after how many interactions.
    """

    items: IntArray
    propensities: Float64Array
    lengths: IntArray
    skips: list[tuple[IntArray, IntArray, IntArray]]


def simulate(
    model: TasteModel,
    tastes: Float64Array,
    policy: LoggingPolicy,
    lengths: IntArray,
    p: WorldParameters,
    rng: np.random.Generator,
) -> Taken:
    """Let users take items.

    A slate is drawn with repeats, so an item that is drawn twice is twice as likely to be seen. A
    user who has seen a whole slate takes the most exposed item that is left. Where users trust, one
    who distrusts may leave after any interaction from the shortest length on.

    Args:
        model: the true preferences.
        tastes: float64 (n_users, n_factors), in the beginning.
        policy: who recommends.
        lengths: int64 (n_users,), interactions of each user at most.
        p: the constants.
        rng: draws slates, choices and who leaves.
    """
    mind, lengths = model.begin(tastes), lengths.copy()
    items = np.zeros((len(tastes), int(lengths.max())), dtype=np.int64)
    shown = np.zeros(items.shape)
    seen = np.zeros((len(tastes), len(model.factors)), dtype=np.bool_)
    skips = []
    for position in range(items.shape[1]):
        rows = np.flatnonzero(lengths > position)
        now, known = mind.rows(rows), seen[rows]
        weights = policy.weights(rows, known)
        slates = draw_slates(weights, len(rows), p.slate_size, rng)
        appeal = p.choice_sharpness * model.utility(now, slates)
        appeal += rng.gumbel(size=appeal.shape)
        chosen = _choose(appeal, slates, known, weights)
        items[rows, position] = chosen
        shown[rows, position] = propensities(weights, chosen, known, p.slate_size)
        if p.logging.kept_skips:
            skips.append(_left(slates, chosen, known, p.logging.kept_skips, rows, position))
        seen[rows, chosen] = True
        mind.put(rows, model.take(now, chosen))
        policy.learn(rows, chosen)
        if model.parameters.has_trust and position + 1 >= p.min_length:
            leave = rng.random(len(rows)) < p.leave_rate * (1.0 - mind.trust[rows])
            lengths[rows[leave]] = position + 1
    return Taken(items, shown, lengths, skips)


def _choose(
    appeal: Float64Array, slates: IntArray, seen: BoolArray, weights: Float64Array
) -> IntArray:
    """The unseen item of each slate that appeals most, (M,); of none, the most exposed one left."""
    appeal[np.take_along_axis(seen, slates, axis=1)] = -np.inf
    items: IntArray = np.take_along_axis(slates, appeal.argmax(axis=1)[:, None], axis=1)[:, 0]
    stuck = np.isneginf(appeal).all(axis=1)
    if stuck.any():
        offered = np.broadcast_to(weights, seen.shape)[stuck]
        items[stuck] = np.where(seen[stuck], -np.inf, offered).argmax(axis=1)
    return items


def _left(
    slates: IntArray, taken: IntArray, seen: BoolArray, most: int, rows: IntArray, position: int
) -> tuple[IntArray, IntArray, IntArray]:
    """The first distinct unseen items of each slate that were not taken, at most so many."""
    ordered = np.sort(slates, axis=1)
    order = np.argsort(slates, axis=1, kind="stable")
    first = np.zeros(slates.shape, dtype=np.bool_)
    again = np.zeros(slates.shape, dtype=np.bool_)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    np.put_along_axis(first, order, ~again, axis=1)
    left = first & (slates != taken[:, None]) & ~np.take_along_axis(seen, slates, axis=1)
    left &= np.cumsum(left, axis=1) <= most
    users = np.repeat(rows, left.sum(axis=1))
    return users, slates[left], np.full(len(users), position)


def write_log(
    catalogue: Catalogue, taken: Taken, rng: np.random.Generator, leaves: bool = False
) -> InteractionLog:
    """The log, with times in seconds: users arrive over two years and return every few days.

    Where users may leave (``leaves``), what each took until then is one session.
    """
    n_users = len(taken.lengths)
    offsets = np.concatenate([[0], np.cumsum(taken.lengths)]).astype(np.int64)
    going = np.arange(taken.items.shape[1]) < taken.lengths[:, None]
    gaps = 60 + rng.exponential(3 * SECONDS_A_DAY, size=going.shape).astype(np.int64)
    arrival = START_OF_TIME + rng.integers(730 * SECONDS_A_DAY, size=(n_users, 1))
    times = (arrival + np.cumsum(gaps, axis=1))[going]
    columns = [
        pl.Series("time", times),
        pl.Series("propensity", taken.propensities[going], dtype=pl.Float32),
    ]
    if leaves:
        columns.append(pl.Series("session", ["stay"] * len(times), dtype=pl.String))
    return InteractionLog(
        catalogue=catalogue,
        user_ids=pl.Series("user_id", [f"u{user:05d}" for user in range(n_users)]),
        offsets=offsets,
        items=taken.items[going],
        feedback=pl.DataFrame(columns),
        reading=Reading("generated world", order="time"),
        skips=_skips(n_users, taken.skips),
    )


def _skips(n_users: int, parts: list[tuple[IntArray, IntArray, IntArray]]) -> Skips | None:
    if not parts:
        return None
    users, items, after = (np.concatenate(own) for own in zip(*parts, strict=True))
    return Skips.of(n_users, users, items, after)
