"""SAC: SQN whose supervised loss is weighted by the Q-value of the logged action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from agents.objectives.actor_critic import WeighedNextItem
from agents.objectives.base import Batch, Outputs
from agents.objectives.q_learning import QLearningConfig
from agents.objectives.supervised import NextItem
from agents.settings import check_not_negative


@dataclass(frozen=True)
class CriticNextItem(WeighedNextItem):
    """SAC's actor: ``stop_grad(Q(s, a+)) * L_s``. The Q-value is neither clipped nor scaled."""

    def weights(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``Q(s, a+)``, float32 (P,)."""
        return outputs.logged_q[:, 0]


@dataclass(frozen=True, kw_only=True)
class SACConfig(QLearningConfig):
    """A warm-up as SQN, then ``stop_grad(Q(s, a+)) * L_s + q_weight * L_q(a+, r)``.

    Xin et al., "Self-Supervised Reinforcement Learning for Recommender Systems" (arXiv 2006.05779).
    """

    name: ClassVar[str] = "sac"
    title: ClassVar[str] = "SAC"

    warm_up: float = 2.0
    """Passes (a fraction: steps) in which it learns as SQN; published as 15,000 steps of 256.
    Below ``patience``, or learning may stop before the switch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative(self, "warm_up")

    def actor(self) -> NextItem:
        """The weighed term of the supervised head."""
        return CriticNextItem(self.label_smoothing, self.warm_up)
