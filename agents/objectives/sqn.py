"""SQN: next-item prediction and Q-learning of the logged actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from agents.objectives.q_learning import QLearningConfig


@dataclass(frozen=True, kw_only=True)
class SQNConfig(QLearningConfig):
    """``L_s + q_weight * L_q(a+, r)``.

    Xin et al., "Self-Supervised Reinforcement Learning for Recommender Systems" (arXiv 2006.05779).
    """

    name: ClassVar[str] = "sqn"
    title: ClassVar[str] = "SQN"
