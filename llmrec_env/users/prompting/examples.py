"""Draws examples for few-shot prompts from training users."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives
from llmrec_env.users.prompting.prompts import Example
from llmrec_env.users.prompting.questions import LIKING, TAKING

BEFORE = 3
"""Interactions that stand before the one that is asked about, at least."""


def draw_examples(
    log: InteractionLog, n: int, feedback: FloatArray | None = None, seed: int = 0
) -> list[Example]:
    """``n`` examples of each question, in random order, no user twice among those of a question.

    For liking the items are those of the log whose feedback is known; their levels come in turn, so
    that dislikes are seen as often as likes. For taking every other item is the one that the user
    took, the others are popularity-matched ones that they never saw; a log whose users saw every
    item gives no such examples.

    Args:
        log: training users.
        n: examples of each question.
        feedback: float32 (n_interactions,), how each was liked, in [0, 1], NaN where unknown; None
            gives examples of taking alone.
        seed: of the draws.

    Raises:
        DataError: too few users have four interactions.
    """
    taking = _taking(log, feedback, n, np.random.default_rng([seed, 1]))
    if feedback is None:
        return taking
    return _liking(log, feedback, n, np.random.default_rng([seed, 2])) + taking


def _taking(
    log: InteractionLog, feedback: FloatArray | None, n: int, rng: np.random.Generator
) -> list[Example]:
    distinct = np.array([len(np.unique(own)) for own in log.sequences()])
    unseen = distinct < log.n_items
    if not unseen.any():
        return []
    some = np.flatnonzero(_late(log) & unseen[log.row_users])
    rows = _of_different_users(log, rng.permutation(some), n)
    others = Negatives(log, popular_share=1.0).draw(log.row_users[rows], rng)
    taken = np.arange(n) % 2 == 0
    items = np.where(taken, log.items[rows], others)
    return [
        Example(*_before(log, feedback, row), int(item), TAKING, float(yes))
        for row, item, yes in zip(rows, items, taken, strict=True)
    ]


def _liking(
    log: InteractionLog, feedback: FloatArray, n: int, rng: np.random.Generator
) -> list[Example]:
    rows = rng.permutation(np.flatnonzero(_late(log) & ~np.isnan(feedback)))
    levels = np.rint(feedback[rows] * (len(LIKING.values) - 1))
    turns = np.empty(len(rows), dtype=np.int64)  # the first of each level, the second of each, …
    for level in np.unique(levels):
        turns[levels == level] = np.arange((levels == level).sum())
    rows = _of_different_users(log, rows[np.argsort(turns, kind="stable")], n)
    return [
        Example(*_before(log, feedback, row), int(log.items[row]), LIKING, float(feedback[row]))
        for row in rows
    ]


def _late(log: InteractionLog) -> BoolArray:
    return log.row_positions >= BEFORE


def _of_different_users(log: InteractionLog, rows: IntArray, n: int) -> IntArray:
    """The first ``n`` of some rows, the first of each user alone."""
    first = np.sort(np.unique(log.row_users[rows], return_index=True)[1])
    if len(first) < n:
        raise DataError(
            f"{n} examples need as many users with more than {BEFORE} interactions, and the log "
            f"has {len(first)}; ask for fewer"
        )
    return rows[first[:n]]


def _before(
    log: InteractionLog, feedback: FloatArray | None, row: int
) -> tuple[IntArray, FloatArray | None]:
    """What a row's user had by then, and how they liked it."""
    start = log.offsets[log.row_users[row]]
    return log.items[start:row], None if feedback is None else feedback[start:row]
