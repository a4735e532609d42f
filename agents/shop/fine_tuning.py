"""Supervised fine-tuning: makes the words of what was done likelier to a causal LM policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.shop.causal_lm import CausalLMPolicy
from agents.shop.rollouts import Decision
from llmrec_env.common.checks import check_whole
from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import fingerprint
from llmrec_env.common.training import (
    Losses,
    Metrics,
    TrainingConfig,
    TrainingHistory,
    shuffled_batches,
    train,
)

RUN = "supervised fine-tuning"


@dataclass(frozen=True)
class FineTuningConfig:
    """How long and how fast a causal LM learns from rollouts."""

    epochs: int = 2
    """Passes over the decisions."""
    batch_size: int = 16
    """Decisions of an optimiser step."""
    learning_rate: float = 1e-3
    """Peak learning rate of AdamW."""
    validations: int = 4
    """How often a validation decides which weights are kept; a killed run goes on from the last."""
    seed: int = 0
    """Seed of the batches and of dropout."""


def fine_tune(
    policy: CausalLMPolicy,
    decisions: Sequence[Decision],
    config: FineTuningConfig | None = None,
    *,
    evaluate: Callable[[], Metrics] | None = None,
    folder: str | Path | None = None,
) -> TrainingHistory:
    """Lower the mean ``-log p(token)`` over the tokens of what was done, its end token included.

    Prompts are read, not learned. Other valid actions play no part, so what is learned serves an
    agent that writes its answers as well as one that chooses among them.

    Args:
        policy: its adapter learns, in place; its value head does not.
        decisions: situations and what was done in them.
        config: how long and how fast.
        evaluate: metrics of the policy as it stands; those with the highest ``"success"`` are kept.
            None keeps the weights of the lowest loss.
        folder: where checkpoints go; a run found there is continued.

    Raises:
        SettingError: there is no decision, or a setting is out of range.
        LLMRecError: ``folder`` holds another run.
    """
    config = config or FineTuningConfig()
    for name in ("epochs", "batch_size", "validations"):
        check_whole(name, getattr(config, name), 1)
    if not decisions:
        raise SettingError("no decision to learn from: the rollouts are empty")
    batch = Batches(policy, decisions, config)
    training = TrainingConfig(
        steps=batch.steps,
        learning_rate=config.learning_rate,
        weight_decay=0.0,
        evaluate_every=max(1, batch.steps // config.validations),
        patience=0,
        seed=config.seed,
    )
    return train(
        policy,
        batch.loss,
        training,
        evaluate=evaluate,
        metric="success",
        folder=folder,
        run=f"{RUN} of {fingerprint(repr(d.observation.content) for d in decisions)}",
        description=RUN,
    )


class Batches:
    """The losses of the batches of a run, by their numbers.

    Attributes:
        steps: of the whole run.
    """

    def __init__(
        self, policy: CausalLMPolicy, decisions: Sequence[Decision], config: FineTuningConfig
    ) -> None:
        self._policy, self._decisions = policy, decisions
        self._rows = shuffled_batches(len(decisions), config.batch_size, config.seed)
        size = min(config.batch_size, len(decisions))
        self.steps = config.epochs * -(-len(decisions) // size)

    def loss(self, number: int, rng: np.random.Generator) -> Iterator[Losses]:
        """The terms of a batch's parts."""
        batch = [self._decisions[row] for row in self._rows(number)]
        observations = [one.observation for one in batch]
        prompts, actions = self._policy.tokens(observations)
        done = [own[one.action] for own, one in zip(actions, batch, strict=True)]
        total = sum(map(len, done))
        for rows in self._policy.parts(observations):
            told, *_ = self._policy.token_log_probs(
                [prompts[row] for row in rows], [[done[row]] for row in rows]
            )
            yield {"cloning": -told.sum() / total}
