"""Next-item prediction."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

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
        return F.cross_entropy(outputs.logits, batch.actions, label_smoothing=self.smoothing)
