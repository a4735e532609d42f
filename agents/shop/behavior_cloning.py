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
from llmrec_env.common.checks import check_whole
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
class CloningConfig:
    """How long and how fast to learn from rollouts."""

    epochs: int
    """Passes over the decisions."""
    batch_size: int
    """Decisions of an optimiser step."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    validations: int = 4
    """How often a validation decides which weights are kept; a killed run goes on from the last."""
    seed: int = 0
    """Seed of the batches and of dropout."""

    def training(self, decisions: int, weight_decay: float) -> TrainingConfig:
        """The training from so many decisions.

        Raises:
            SettingError: there is none, or a setting is out of range.
        """
        for name in ("epochs", "batch_size", "validations"):
            check_whole(name, getattr(self, name), 1)
        if not decisions:
            raise SettingError("no decision to learn from: the rollouts are empty")
        steps = self.epochs * -(-decisions // min(self.batch_size, decisions))
        return TrainingConfig(
            steps=steps,
            learning_rate=self.learning_rate,
            weight_decay=weight_decay,
            evaluate_every=max(1, steps // self.validations),
            patience=0,
            seed=self.seed,
        )


@dataclass(frozen=True)
class BehaviorCloningConfig(CloningConfig):
    """How a policy that scores actions clones rollouts."""

    epochs: int = 40
    batch_size: int = 32
    smoothing: float = 0.1
    """Weight of every valid action's mean log-probability: what was never done stays possible, so
    that learning from rewards or preferences can find it."""


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
        SettingError: there is no decision, or a setting is out of range.
    """
    config = config or BehaviorCloningConfig()
    training = config.training(len(decisions), weight_decay=0.01)
    rows = shuffled_batches(len(decisions), config.batch_size, config.seed)

    def loss(number: int, rng: np.random.Generator) -> Losses:
        batch = [decisions[row] for row in rows(number)]
        log_probs, _ = policy([one.observation for one in batch])
        chosen = torch.tensor([one.action for one in batch], device=log_probs.device)
        terms = {"cloning": F.nll_loss(log_probs, chosen)}
        if config.smoothing:
            terms["smoothing"] = -config.smoothing * mean_valid(log_probs).mean()
        return terms

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
