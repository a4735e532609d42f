"""The training loop as all ways of learning to shop call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agents.shop.policy import ScoringPolicy
from llmrec_env.common.training import Loss, Metrics, TrainingConfig, TrainingHistory, train


def fit(
    policy: ScoringPolicy,
    loss: Loss,
    training: TrainingConfig,
    run: str,
    evaluate: Callable[[], Metrics] | None = None,
    folder: str | Path | None = None,
) -> TrainingHistory:
    """Minimise a loss, and keep the weights of the validation with the highest ``"success"``.

    Args:
        policy: what learns.
        loss: see :func:`llmrec_env.common.training.train`.
        training: steps, learning rate, seed.
        run: the name of what is done, on the progress bar and in checkpoints.
        evaluate: metrics of the policy as it stands; None keeps the lowest loss.
        folder: where checkpoints go; a run found there is continued.
    """
    return train(
        policy,
        loss,
        training,
        evaluate=evaluate,
        metric="success",
        folder=folder,
        run=run,
        description=run,
    )
