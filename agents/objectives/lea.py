"""LE augmentation: learning from actions that the language model proposed (arXiv 2403.16948).

``lambda * [L_s(a^) + L_q(a^, r^)]`` is added to the loss of the framework on the logged actions,
whatever the framework; the second term where it has a Q head. What a framework does to the logged
``L_s`` (the weights of SAC and SA2C) it does not do to ``L_s(a^)``.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from agents.objectives.base import Augmentation, Batch, LossTerm, Outputs, half_squared_error


@dataclass(frozen=True)
class AugmentedNextItem(LossTerm):
    """``L_s(a^) = -sum_k w_k log softmax(f(s))[a^_k]``, soft targets over the K proposals."""

    weight: float = 0.5
    name = "augmented"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        augmentation = _augmentation(batch)
        logits = outputs.logits
        log_probabilities = logits.gather(1, augmentation.actions) - logits.logsumexp(
            1, keepdim=True
        )
        return -self.weight * (augmentation.weights * log_probabilities).sum(dim=1).mean()


@dataclass(frozen=True)
class AugmentedQ(LossTerm):
    """``L_q(a^, r^)`` of the best proposed action; its next state has the action appended."""

    gamma: float = 0.5
    weight: float = 0.5
    name = "q_augmented"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        augmentation = _augmentation(batch)
        target = augmentation.rewards + self.gamma * outputs.augmented_next_value
        q = outputs.q_values(augmentation.actions[:, :1])[:, 0]
        return self.weight * (augmentation.proposed * half_squared_error(q, target)).mean()


def _augmentation(batch: Batch) -> Augmentation:
    assert batch.augmentation is not None, "no actions were proposed"
    return batch.augmentation
