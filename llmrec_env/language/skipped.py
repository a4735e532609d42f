"""Skipped items in the stretches from which an LE learns.

A log seldom holds what was shown and left. So in some batches of learning, items that the users
never took stand between those that they took, as skipped: the LE learns to tell the two apart, and
that what was skipped is not what they take next. How many there are differs from user to user, as
users are shown more or less of what they like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from llmrec_env.common.arrays import BoolArray, IntArray

FEWEST, MOST = 0.25, 2.0
"""Skipped items for each one taken, in the mean of a stretch: the logarithm is drawn evenly."""


class Interleaved(NamedTuple):
    """A stretch with skipped items between those taken.

    Attributes:
        items: int64 (T,).
        skipped: bool (T,), which of them.
        places: int64 (n,), where the last n of the taken items stand in it.
    """

    items: IntArray
    skipped: BoolArray
    places: IntArray


def draw_counts(lengths: IntArray, rng: np.random.Generator) -> list[IntArray]:
    """How many items are skipped after each of the items of stretches of these lengths.

    Nothing is skipped after the last one, behind which nothing is told.
    """
    rates = np.exp(rng.uniform(np.log(FEWEST), np.log(MOST), len(lengths)))
    counts = []
    for length, rate in zip(lengths.tolist(), rates.tolist(), strict=True):
        drawn = rng.geometric(1 / (1 + rate), length) - 1
        drawn[-1] = 0
        counts.append(drawn)
    return counts


def interleave(taken: IntArray, skipped: IntArray, after: IntArray, most: int) -> Interleaved:
    """The last items of a stretch, of those taken and those skipped.

    Args:
        taken: int64 (n,).
        skipped: int64 (k,).
        after: int64 (k,), how many of the taken items stand before each, never falling.
        most: items kept; at least one that was taken is among them if none is skipped at the end.
    """
    places = np.arange(len(taken)) + np.searchsorted(after, np.arange(len(taken)), side="right")
    items = np.zeros(len(taken) + len(skipped), dtype=np.int64)
    left = np.ones(len(items), dtype=np.bool_)
    left[places] = False
    items[places], items[left] = taken, skipped
    first = max(0, len(items) - most)
    kept = places[places >= first] - first
    return Interleaved(items[first:], left[first:], kept)


def with_told(taken: IntArray, skipped: IntArray, after: IntArray, most: int) -> Interleaved | None:
    """A stretch with what its user skipped in it; None where that is nothing.

    Args:
        taken: int64 (n,).
        skipped: int64 (k,), all that the user skipped.
        after: int64 (k,), how many of the taken items stand before each, never falling; below 0
            before the stretch, from n on behind it.
        most: as for :func:`interleave`.
    """
    within = (after >= 0) & (after < len(taken))
    if not within.any():
        return None
    return _enough(interleave(taken, skipped[within], after[within], most), taken)


def _enough(found: Interleaved, taken: IntArray) -> Interleaved:
    """Two items, from one of which the other is told, or the stretch without skipped ones."""
    if len(found.places) >= 2:
        return found
    places = np.arange(len(taken))
    return Interleaved(taken, np.zeros(len(taken), dtype=np.bool_), places)


def with_drawn(
    stretches: Sequence[IntArray],
    most: int,
    draw: Callable[[IntArray], IntArray],
    rng: np.random.Generator,
) -> list[Interleaved]:
    """Stretches with items between theirs that are drawn for them.

    Args:
        stretches: items taken, one array each.
        most: items of each that are kept, the last ones.
        draw: gives for stretches int64 (k,), by their numbers, an item each that may be skipped.
        rng: draws how many.
    """
    counts = draw_counts(np.array([len(own) for own in stretches], dtype=np.int64), rng)
    sizes = np.array([int(own.sum()) for own in counts], dtype=np.int64)
    drawn = np.split(draw(np.repeat(np.arange(len(stretches)), sizes)), np.cumsum(sizes)[:-1])
    return [
        _enough(interleave(taken, skipped, np.repeat(np.arange(1, len(own) + 1), own), most), taken)
        for taken, skipped, own in zip(stretches, drawn, counts, strict=True)
    ]
