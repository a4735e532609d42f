"""Imitation: the log-likelihood of what was done in rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from agents.shop.policy import ScoringPolicy
from agents.shop.rollouts import Decision
from llmrec_env.common.training import TrainingConfig, TrainingHistory, shuffled_batches, train


@dataclass(frozen=True)
class ImitationConfig:
    """How long and how fast to imitate."""

    epochs: int = 40
    """Passes over the decisions."""
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    seed: int = 0


def imitate(policy, decisions, config=None, *, show=False, folder=None):
    config = config or ImitationConfig()
    rows = shuffled_batches(len(decisions), config.batch_size, config.seed)

    def loss(number, rng):
        batch = [decisions[row] for row in rows(number)]
        log_probs, _ = policy([one.sight for one in batch])
        chosen = torch.tensor([one.action for one in batch])
        return {"imitation": F.nll_loss(log_probs, chosen)}

    steps = config.epochs * -(-len(decisions) // config.batch_size)
    training = TrainingConfig(steps=steps, learning_rate=config.learning_rate, weight_decay=config.weight_decay, patience=0, evaluate_every=steps, seed=config.seed)
    return train(policy, loss, training, description="imitation", folder=folder, show=show)
