"""The Q-learning terms of SQN and SNQN (Xin et al., arXiv 2006.05779 and 2111.03474)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from agents.objectives.base import Batch, LossTerm, Outputs, half_squared_error


@dataclass(frozen=True)
class LoggedQ(LossTerm):
    """``L_q(a+, r) = 1/2 (r + gamma Q'(s', argmax_b Q(s', b)) - Q(s, a+))^2``.

    The last action of a user bootstraps nothing.
    """

    gamma: float = 0.5
    weight: float = 1.0
    name = "q_logged"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        target = batch.rewards + self.gamma * (1 - batch.terminal) * outputs.next_value
        return self.weight * half_squared_error(outputs.logged_q[:, 0], target).mean()


@dataclass(frozen=True)
class NegativeQ(LossTerm):
    """``sum over sampled a- of L_q(a-, 0)``; an item nobody took leaves the state as it is.

    ``L_q(a-, 0) = 1/2 (0 + gamma Q'(s, argmax_b Q(s, b)) - Q(s, a-))^2``.
    """

    gamma: float = 0.5
    weight: float = 1.0
    name = "q_negative"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        target = self.gamma * outputs.value[:, None]
        errors = half_squared_error(outputs.negative_q, target)
        return self.weight * errors.sum(dim=1).mean()
