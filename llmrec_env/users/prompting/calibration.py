"""Calibrates acceptance: from the model's yes or no to the chance that the user takes the item."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives
from llmrec_env.language.calibration import Acceptance, logit, platt_slope
from llmrec_env.users.base import Histories

PAIRS = 64
"""Users and items from which the level of acceptance is known where nothing was calibrated."""
Ask = Callable[[Histories, IntArray], FloatArray]
"""Histories and candidates (N, C) in, the probability of Yes out."""


def shown_by_chance(ask: Ask, log: InteractionLog, pairs: int = PAIRS, seed: int = 0) -> Acceptance:
    """How users of a log answer to uniformly drawn items; the slope stays 1."""
    rows = _steps(log, pairs, seed)
    items = np.random.default_rng([seed, 1]).integers(0, log.n_items, (len(rows), 1))
    z = logit(ask(_before(log, rows), items))
    return Acceptance(1.0, tuple(float(one) for one in np.sort(z[:, 0])))


def calibrated_on(ask: Ask, log: InteractionLog, pairs: int, seed: int) -> Acceptance:
    """Platt's fit of what users took next against popularity-matched items they never saw."""
    rows = _steps(log, pairs, seed)
    rng = np.random.default_rng([seed, 1])
    popular = Negatives(log, popular_share=1.0).draw(log.row_users[rows], rng)
    uniform = rng.integers(0, log.n_items, len(rows))
    z = logit(ask(_before(log, rows), np.stack([log.items[rows + 1], popular, uniform], axis=1)))
    slope = platt_slope(z[:, 0], z[:, 1])
    return Acceptance(slope, tuple(float(one) for one in np.sort(z[:, 2])))


def _steps(log: InteractionLog, most: int, seed: int) -> IntArray:
    """Rows after which the same user goes on, drawn at random."""
    going = np.flatnonzero(log.row_goes_on)
    return np.sort(np.random.default_rng([seed, 2]).permutation(going)[:most])


def _before(log: InteractionLog, rows: IntArray) -> list[IntArray]:
    """What each row's user had by then."""
    starts = log.offsets[log.row_users[rows]]
    return [log.items[start : row + 1] for start, row in zip(starts, rows, strict=True)]
