"""Fits V and Q to what users answered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from agents.improving.asking import Asked
from agents.improving.config import ImproveConfig
from agents.improving.policy import ImprovedRecommender
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.progress import progress_bar

LEARNING_RATE, WEIGHT_DECAY = 3e-3, 0.05
MOMENTS = 256
"""Moments of a gradient step."""
WIDTH = 64
"""Of V's hidden layer."""


def fit(policy: ImprovedRecommender, asked: Asked, config: ImproveConfig, seed: int) -> None:
    """Give a policy the Q of what users answered to it, in place of the one that it had.

    Args:
        policy: who asked.
        asked: what was answered.
        config: how long to learn, and what counts of the future.
        seed: of initial weights and batches.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        rng = np.random.default_rng([seed, 2])
        worth = asked.liking
        if config.discount:
            gain = _gain_of_taking(asked, config, rng)
            worth = worth + np.float32(config.discount) * asked.chance * gain[:, None]
        _fit_q(policy, asked, worth, config, rng)


def _fit_q(
    policy: ImprovedRecommender,
    asked: Asked,
    worth: FloatArray,
    config: ImproveConfig,
    rng: np.random.Generator,
) -> None:
    """Least squares on the differences between the items of one moment."""
    features, items = torch.from_numpy(asked.features), torch.from_numpy(asked.items)
    target = torch.from_numpy(worth - worth.mean(axis=1, keepdims=True))
    nn.init.zeros_(policy.query.weight)
    nn.init.zeros_(policy.query.bias)

    def loss(rows: Tensor) -> Tensor:
        told = policy.q(features[rows], items[rows])
        return ((told - told.mean(dim=1, keepdim=True) - target[rows]) ** 2).mean()

    _minimise(loss, policy.query, len(items), config.gradient_steps, rng, "fit Q")


def _gain_of_taking(asked: Asked, config: ImproveConfig, rng: np.random.Generator) -> FloatArray:
    """How much more follows when an item is taken than when it is skipped, float32 (S,), >= 0.

    Taking restores the patience, a skip costs one, and the last one ends the episode. That what is
    taken also moves the user is told by the item's own answers in the next step of improvement.
    """
    follows = torch.from_numpy(asked.follows)
    mean = follows.mean()
    values = nn.Sequential(
        nn.Linear(asked.features.shape[1] + asked.beside.shape[1], WIDTH),
        nn.Tanh(),
        nn.Linear(WIDTH, 1),
    )
    moments = _moments(asked.features, asked.beside)

    def loss(rows: Tensor) -> Tensor:
        return ((values(moments[rows])[:, 0] + mean - follows[rows]) ** 2).mean()

    _minimise(loss, values, len(follows), config.gradient_steps, rng, "fit V")

    def worth(patience: FloatArray, answer: float) -> FloatArray:
        beside = asked.beside.copy()
        beside[:, 0], beside[:, 2] = patience, answer
        with torch.no_grad():
            told: FloatArray = (values(_moments(asked.features, beside))[:, 0] + mean).numpy()
        return told

    left = asked.beside[:, 0] - np.float32(1 / asked.patience)
    skipped = np.where(left > 0.5 / asked.patience, worth(left, -1.0), np.float32(0.0))
    return np.maximum(worth(np.ones_like(left), 1.0) - skipped, np.float32(0.0))


def _moments(features: FloatArray, beside: FloatArray) -> Tensor:
    return torch.from_numpy(np.concatenate([features, beside], axis=1))


def _minimise(
    loss: Callable[[Tensor], Tensor],
    module: nn.Module,
    moments: int,
    steps: int,
    rng: np.random.Generator,
    what: str,
) -> None:
    """AdamW on random moments, with a rate that falls to 0."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    with progress_bar(what, steps) as advance:
        for _ in range(steps):
            found = loss(torch.from_numpy(rng.integers(moments, size=MOMENTS)))
            optimizer.zero_grad()
            found.backward()
            optimizer.step()
            schedule.step()
            advance(1, "")
