"""Next-item prediction."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from agents.objectives.base import Batch, LossTerm, Outputs


@dataclass(frozen=True)
class NextItem(LossTerm):
    """``L_s = -log softmax(f(s))[a+]`` over the whole catalogue.

    Attributes:
        smoothing: probability mass of the target that is spread evenly over all items.
    """

    smoothing: float = 0.0
    name = "supervised"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        return self.losses(outputs, batch).mean()

    def losses(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``L_s`` of each logged action, float32 (P,)."""
        own = outputs.log_probabilities(batch.actions[:, None])[:, 0]
        if not self.smoothing:
            return -own
        return -(1 - self.smoothing) * own - self.smoothing * outputs.mean_log_probability
