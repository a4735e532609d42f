"""LE augmentation: learning from actions that the language model proposed (arXiv 2403.16948).

``lambda * [L_s(a^) + L_q(a^, r^)]`` is added to the loss of the framework on the logged actions,
whatever the framework; the second term where it has a Q head. What a framework does to the logged
``L_s`` (the weights of SAC and SA2C) it does not do to ``L_s(a^)``. The LE state may be learned as
a target besides, so that it need not be there when serving.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from agents.objectives.base import (
    LANGUAGE,
    Augmentation,
    Batch,
    LossTerm,
    Outputs,
    half_squared_error,
)


@dataclass(frozen=True)
class Schedule:
    """How the weight of the proposed actions moves over the first passes over the log."""

    kind: Literal["constant", "rise", "fall"] = "constant"
    passes: float = 5.0

    def share(self, passes: float) -> float:
        """The share of the weight that counts after so many passes, in [0, 1]."""
        if self.kind == "constant":
            return 1.0
        done = min(1.0, passes / self.passes)
        return done if self.kind == "rise" else 1.0 - done


@dataclass(frozen=True)
class AugmentedNextItem(LossTerm):
    """``L_s(a^) = -sum_k w_k log softmax(f(s))[a^_k]``, soft targets over the K proposals."""

    weight: float = 0.5
    schedule: Schedule = Schedule()
    name = "augmented"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        augmentation = _augmentation(batch)
        log_probabilities = outputs.log_probabilities(augmentation.actions)
        weight = self.weight * self.schedule.share(batch.passes)
        return -weight * (augmentation.weights * log_probabilities).sum(dim=1).mean()


@dataclass(frozen=True)
class AugmentedQ(LossTerm):
    """``L_q(a^, r^)`` of the best proposed action; its next state has the action appended."""

    gamma: float = 0.5
    weight: float = 0.5
    schedule: Schedule = Schedule()
    name = "q_augmented"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        augmentation = _augmentation(batch)
        target = augmentation.rewards + self.gamma * outputs.augmented_next_value
        q = outputs.q_values(augmentation.actions[:, :1])[:, 0]
        weight = self.weight * self.schedule.share(batch.passes)
        return weight * (augmentation.proposed * half_squared_error(q, target)).mean()


@dataclass(frozen=True)
class DistilledState(LossTerm):
    """``1 - cos(D s, s_LE)``: the state, linearly mapped, points where the simulator's does."""

    weight: float = 1.0
    name = "state"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        assert batch.language is not None, "there are no states of a simulator"
        told = torch.nn.functional.cosine_similarity(outputs.head(LANGUAGE), batch.language)
        return self.weight * (1 - told).mean()


def _augmentation(batch: Batch) -> Augmentation:
    assert batch.augmentation is not None, "no actions were proposed"
    return batch.augmentation
