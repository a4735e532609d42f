"""Supervised fine-tuning: makes the words of what was done likelier to a causal LM policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.shop.behavior_cloning import CloningConfig
from agents.shop.causal_lm import CausalLMPolicy
from agents.shop.rollouts import Decision
from llmrec_env.common.files import fingerprint
from llmrec_env.common.training import Losses, Metrics, TrainingHistory, shuffled_batches, train

RUN = "supervised fine-tuning"


@dataclass(frozen=True)
class FineTuningConfig(CloningConfig):
    """How a causal LM clones rollouts."""

    epochs: int = 2
    batch_size: int = 16


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
    training = config.training(len(decisions), weight_decay=0.0)
    rows = shuffled_batches(len(decisions), config.batch_size, config.seed)

    def loss(number: int, rng: np.random.Generator) -> Iterator[Losses]:
        batch = [decisions[row] for row in rows(number)]
        observations = [one.observation for one in batch]
        prompts, actions = policy.tokens(observations)
        done = [own[one.action] for own, one in zip(actions, batch, strict=True)]
        total = sum(map(len, done))
        for part in policy.parts(observations):
            told, *_ = policy.token_log_probs(
                [prompts[row] for row in part], [[done[row]] for row in part]
            )
            yield {"cloning": -told.sum() / total}

    return train(
        policy,
        loss,
        training,
        evaluate=evaluate,
        metric="success",
        folder=folder,
        run=f"{RUN} of {fingerprint(repr(d.observation.content) for d in decisions)}",
        description=RUN,
    )
