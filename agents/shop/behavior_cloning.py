"""Behaviour cloning: trains a shopping policy to repeat the actions of rollouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from agents.shop.policy import ScoringPolicy
from agents.shop.rollouts import Decision
from llmrec_env.common.errors import SettingError
from llmrec_env.common.training import (
    Losses,
    Metrics,
    TrainingConfig,
    TrainingHistory,
    shuffled_batches,
    train,
)


@dataclass(frozen=True)
class BehaviorCloningConfig:
    """How long and how fast to learn from rollouts."""

    epochs: int = 40
    """Passes over the decisions."""
    batch_size: int = 32
    """Decisions in a batch."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    smoothing: float = 0.1
    """Weight of every valid action's mean log-probability: what was never done stays possible, so
    that learning from rewards or preferences can find it."""
    validations: int = 4
    """How often a validation decides which weights are kept."""
    seed: int = 0
    """Seed of the batches and of dropout."""


def behavior_cloning(
    policy: ScoringPolicy,
    decisions: Sequence[Decision],
    config: BehaviorCloningConfig | None = None,
    *,
    evaluate: Callable[[], Metrics] | None = None,
    folder: str | Path | None = None,
) -> TrainingHistory:
    """Raise the log-probability of the decisions.

    Args:
        policy: what learns.
        decisions: situations and what was done in them.
        config: how long and how fast.
        evaluate: metrics of the policy as it stands; those with the highest ``"success"`` are kept.
        folder: where checkpoints go; a run found there is continued.

    Raises:
        SettingError: there is no decision.
    """
    config = config or BehaviorCloningConfig()
    if not decisions:
        raise SettingError("no decision to learn from: the rollouts are empty")
    rows = shuffled_batches(len(decisions), config.batch_size, config.seed)

    def loss(number: int, rng: np.random.Generator) -> Losses:
        batch = [decisions[row] for row in rows(number)]
        log_probs, _ = policy([one.observation for one in batch])
        chosen = torch.tensor([one.action for one in batch], device=log_probs.device)
        terms = {"cloning": F.nll_loss(log_probs, chosen)}
        if config.smoothing:
            terms["smoothing"] = -config.smoothing * mean_valid(log_probs).mean()
        return terms

    steps = config.epochs * -(-len(decisions) // min(config.batch_size, len(decisions)))
    training = TrainingConfig(
        steps=steps,
        learning_rate=config.learning_rate,
        evaluate_every=max(1, steps // config.validations),
        patience=0,
        seed=config.seed,
    )
    name = "behavior cloning"
    return train(
        policy,
        loss,
        training,
        evaluate=evaluate,
        metric="success",
        folder=folder,
        run=name,
        description=name,
    )


def mean_valid(log_probs: Tensor) -> Tensor:
    """The mean of each row of (N, A) over its valid places, float32 (N,)."""
    valid = ~log_probs.isinf()
    return log_probs.masked_fill(~valid, 0.0).sum(dim=1) / valid.sum(dim=1)
