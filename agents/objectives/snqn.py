"""SNQN: SQN with additional Q-learning of sampled items that the user never took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from agents.objectives.base import Batch, LossTerm, Outputs, half_squared_error
from agents.objectives.q_learning import QLearningConfig
from agents.settings import check_positive


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


@dataclass(frozen=True, kw_only=True)
class SNQNConfig(QLearningConfig):
    """``L_s + q_weight * [L_q(a+, r) + sum over sampled a- of L_q(a-, 0)]``.

    Xin et al., "Supervised Advantage Actor-Critic for Recommender Systems" (arXiv 2111.03474).
    """

    name: ClassVar[str] = "snqn"
    title: ClassVar[str] = "SNQN"

    negatives: int = 10
    """Sampled items a step, never seen by the user, that are learned with reward 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "negatives")

    def terms(self) -> list[LossTerm]:
        """SQN's terms and the sampled items'."""
        return [*super().terms(), NegativeQ(self.gamma, self.q_weight)]

    @property
    def n_negatives(self) -> int:
        """The sampled items."""
        return self.negatives
