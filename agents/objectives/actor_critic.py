"""The actor loss of SAC and SA2C: next-item prediction weighted by the Q head.

Both learn without weights, as SQN and SNQN do, until the Q head says something sensible. The phase
is a function of the step's number, so a run that is continued switches where the other would have.

The Q head weighs the logged action only. What the LE proposes is learned as
``lambda * [L_s(a^) + L_q(a^, r^)]`` in both phases: the soft targets carry the LE's own preference,
and a weight by Q(s, a^) would let the critic overrule it where the critic has least to go by.

Validation should choose the pass: without it the training loss does, which the switch changes.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from agents.objectives.base import Batch, Outputs
from agents.objectives.supervised import NextItem


@dataclass(frozen=True)
class WeighedNextItem(NextItem):
    """``L_s`` in the warm-up, then ``stop_grad(weight) * L_s`` for each logged action.

    Attributes:
        smoothing: as of :class:`NextItem`.
        warm_up: passes without weights.
    """

    warm_up: float = 2.0

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        if batch.passes < self.warm_up:
            return super().__call__(outputs, batch)
        return (self.weights(outputs, batch).detach() * self.losses(outputs, batch)).mean()

    @abstractmethod
    def weights(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The weight of each logged action, float32 (P,); its gradient is not used."""
