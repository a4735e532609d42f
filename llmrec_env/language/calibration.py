"""Calibration of acceptance: turns a reward into the probability that the user takes the item.

A log holds what was taken, not what was shown and left. So the *shape* comes from the log (Platt's
logistic fit: a logged next item against popularity-matched items that the user never saw, on
validation users), and the *level* from a stated prior: the mean over uniformly shown items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.logistic import offset_of_mean, sigmoid
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.labelling import branch_log, label_log
from llmrec_env.language.model import LanguageEnvironment

QUANTILES = 257
USERS = 1000  # validation users that calibration reads at most


@dataclass(frozen=True)
class Acceptance:
    """Probability of taking an item: sigmoid(slope * z + offset), z the normalised raw reward.

    Attributes:
        slope: how fast the probability rises with z.
        shown: quantiles of z over uniformly shown items, from which the offset follows.
    """

    slope: float
    shown: tuple[float, ...]

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
    uniform = rng.integers(0, log.n_items, len(log))
    with torch.inference_mode():
        le = AnsweringLE(model)
    _, taken = label_log(le, log, head="acceptance")
    tried = np.stack([popular, uniform], axis=1)
    others, _ = branch_log(le, log, tried, head="acceptance")
    goes_on = log.row_goes_on
    z_taken = logit(taken[1:][goes_on[:-1]])
    z_popular = logit(others[goes_on, 0])
    slope = platt_slope(z_taken, z_popular)
    quantiles = np.quantile(logit(others[:, 1]), np.linspace(0, 1, QUANTILES))
    model.changed()
    acceptance = Acceptance(slope, tuple(float(q) for q in quantiles))
    model.record["acceptance"] = {"slope": slope, "shown": list(acceptance.shown)}
    return acceptance


def logit(probability: FloatArray) -> FloatArray:
    """The normalised raw reward z behind a liking in (0, 1)."""
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float32)


def platt_slope(taken: FloatArray, others: FloatArray) -> float:
    """Slope of the logistic regression of taken against others, by Newton's method; at least 0.

    As Platt proposes, the targets lie one example inside 0 and 1, so that a handful of pairs that
    a threshold tells apart does not make an infinite slope.
    """
    x = np.concatenate([taken, others]).astype(np.float64)
    y = np.concatenate(
        [
            np.full(len(taken), (len(taken) + 1) / (len(taken) + 2)),
            np.full(len(others), 1 / (len(others) + 2)),
        ]
    )
    design = np.stack([x, np.ones_like(x)], axis=1)
    beta = np.zeros(2)
    for _ in range(25):
        p = sigmoid(design @ beta)
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2)
        beta += np.linalg.solve(curvature, design.T @ (y - p))
    return float(max(beta[0], 0.0))
