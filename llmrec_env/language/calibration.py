"""Calibration of acceptance: turns a reward into the probability that the user takes the item.

Most logs hold what was taken, not what was shown and left. Then the *shape* comes from the log
(Platt's logistic fit: a logged next item against popularity-matched items that the user never saw,
on validation users), and the *level* from a stated prior: the mean over uniformly shown items.
No user counts as more than :data:`MOST` steps: what is taken late in a long history is harder to
tell, and a few users with long ones would else make the chances of all others too timid.

Where a log tells what was shown and not taken, both come from it: the fit is of what was taken
against what was skipped, and the mean over uniformly shown items follows from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from llmrec_env.common.arrays import Float64Array, FloatArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.logistic import offset_of_mean, sigmoid
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives, uniform_items
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.labelling import branch_log
from llmrec_env.language.model import LanguageEnvironment

QUANTILES = 257
USERS = 1000  # validation users that calibration reads at most
MOST = 50  # steps as which a user counts at most
OF_A_STEP = 4  # skips of a step that calibration reads at most
ENOUGH = 200
"""Skips, and takes, of validation users from which their rate is known."""
LEAST = 1e-6


@dataclass(frozen=True)
class Acceptance:
    """Probability of taking an item: sigmoid(slope * z + offset), z the normalised raw reward.

    Attributes:
        slope: how fast the probability rises with z.
        shown: quantiles of z over uniformly shown items, from which the offset follows.
        rate: mean probability of taking a uniformly shown item, as what the log's users were shown
            and did not take says; None where the log does not tell.
    """

    slope: float
    shown: tuple[float, ...]
    rate: float | None = None

    def offset(self, accept_rate: float) -> float:
        """The offset at which uniformly shown items are taken with mean ``accept_rate``.

        Raises:
            SimulatorError: ``accept_rate`` is not in (0, 1).
        """
        if not 0 < accept_rate < 1:
            raise SimulatorError(f"accept_rate must lie between 0 and 1, got {accept_rate}")
        return offset_of_mean(self.slope * np.asarray(self.shown), accept_rate)


def calibrate(model: LanguageEnvironment, validation: InteractionLog, seed: int = 0) -> Acceptance:
    """Fit :class:`Acceptance` on held-out users and keep it in ``model.record``."""
    users = np.random.default_rng(seed).permutation(validation.n_users)[:USERS]
    log = validation.select_users(np.sort(users))
    rng = np.random.default_rng([seed, 1])
    popular = Negatives(log, popular_share=1.0, any_where_none=True).draw(log.row_users, rng)
    uniform = uniform_items(log, log.row_users, rng)
    with torch.inference_mode():
        le = AnsweringLE(model)
    goes_on = log.row_goes_on
    following = np.where(goes_on, np.roll(log.items, -1), -1)
    tried = np.stack([popular, uniform, following], axis=1)
    answers, _ = branch_log(le, log, tried, head="acceptance")
    z_popular, z_taken = logit(answers[goes_on, 0]), logit(answers[goes_on, 2])
    weights = _row_weights(log)
    quantiles = _quantiles(logit(answers[:, 1]), weights)
    skipped = _skipped(le, log, rng)
    enough = min(len(z_taken), len(skipped.z)) >= ENOUGH
    rate = None
    if enough:
        slope, offset = platt(z_taken, skipped.z, weights[goes_on], skipped.weights)
        rate = float(np.clip(sigmoid(slope * quantiles + offset).mean(), LEAST, 1 - LEAST))
    else:
        slope, _ = platt(z_taken, z_popular, weights[goes_on], weights[goes_on])
    model.changed()
    acceptance = Acceptance(slope, tuple(float(q) for q in quantiles), rate)
    model.record["acceptance"] = {"slope": slope, "shown": list(acceptance.shown)}
    if enough:
        model.record["acceptance"] |= {"rate": rate, "skips": len(skipped.z)}
    return acceptance


def _row_weights(log: InteractionLog) -> FloatArray:
    """How much each row counts, float32 (n,): no user as more than :data:`MOST` steps."""
    steps = np.maximum(log.lengths - 1, 1)
    weights = np.minimum(MOST / steps, 1.0).astype(np.float32)
    return np.asarray(weights[log.row_users])


def _quantiles(z: FloatArray, weights: FloatArray) -> Float64Array:
    """Quantiles of z (n,) that counts as much as its weights (n,) say, float64 (QUANTILES,)."""
    order = np.argsort(z, kind="stable")
    reached = np.cumsum(weights[order], dtype=np.float64) - weights[order] / 2
    reached -= reached[0]
    return np.interp(np.linspace(0, max(reached[-1], LEAST), QUANTILES), reached, z[order])


class _Skipped(NamedTuple):
    """What was skipped: normalised raw rewards z, and how much each counts."""

    z: FloatArray
    weights: FloatArray


def _skipped(le: AnsweringLE, log: InteractionLog, rng: np.random.Generator) -> _Skipped:
    """Skips after a user's first interaction, some of each step's."""
    nothing = np.empty(0, dtype=np.float32)
    if log.skips is None or not (known := log.skips.after > 0).any():
        return _Skipped(nothing, nothing)
    rows = (log.offsets[:-1][log.skips.row_users] + log.skips.after - 1)[known]
    items = log.skips.items[known]
    order = np.lexsort((rng.random(len(rows)), rows))
    rows, items = rows[order], items[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    chosen = place < OF_A_STEP
    tried = np.full((len(log), OF_A_STEP), -1, dtype=np.int64)
    tried[rows[chosen], place[chosen]] = items[chosen]
    answers, _ = branch_log(le, log, tried, head="acceptance")
    counts = np.bincount(rows, minlength=len(log))
    each = _row_weights(log) * counts / np.maximum(1, np.minimum(counts, OF_A_STEP))
    z = logit(answers[rows[chosen], place[chosen]])
    return _Skipped(z, each[rows[chosen]].astype(np.float32))


def logit(probability: FloatArray) -> FloatArray:
    """The normalised raw reward z behind a liking in (0, 1)."""
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float32)


def platt_slope(taken: FloatArray, others: FloatArray) -> float:
    """Slope of the logistic regression of taken against others; at least 0."""
    return platt(taken, others, np.ones_like(taken), np.ones_like(others))[0]


def platt(
    taken: FloatArray, others: FloatArray, takes: FloatArray, weights: FloatArray
) -> tuple[float, float]:
    """Logistic regression of taken against others, by Newton's method.

    As Platt proposes, the targets lie one example inside 0 and 1, so that a handful of pairs that
    a threshold tells apart does not make an infinite slope.

    Args:
        taken: z of what was taken, (n,).
        others: z of what was not, (m,).
        takes: how much each take counts, (n,).
        weights: how much each of the others counts, (m,).

    Returns:
        The slope, at least 0, and the offset.
    """
    x = np.concatenate([taken, others]).astype(np.float64)
    w = np.concatenate([takes, weights]).astype(np.float64)
    took, left = float(takes.sum()), float(weights.sum())
    y = np.concatenate(
        [np.full(len(taken), (took + 1) / (took + 2)), np.full(len(others), 1 / (left + 2))]
    )
    design = np.stack([x, np.ones_like(x)], axis=1)
    beta = np.zeros(2)
    for _ in range(25):
        p = sigmoid(design @ beta)
        curvature = design.T @ (design * (w * p * (1 - p))[:, None]) + 1e-6 * np.eye(2)
        beta += np.linalg.solve(curvature, design.T @ (w * (y - p)))
    if beta[0] < 0:  # what draws less is taken more: then nothing that draws tells
        return 0.0, math.log((took + 1) / (left + 1))
    return float(beta[0]), float(beta[1])
