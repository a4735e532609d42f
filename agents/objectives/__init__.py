"""Objectives as loss terms that add up.

========== ======================================================== ===================
objective  loss on the logged actions                               paper
========== ======================================================== ===================
supervised L_s                                                      arXiv 1808.09781
sqn        L_s + L_q(a+, r)                                         arXiv 2006.05779
sac        warm-up as sqn, then stop_grad(Q(s, a+)) L_s + L_q       arXiv 2006.05779
snqn       L_s + L_q(a+, r) + sum over a- of L_q(a-, 0)             arXiv 2111.03474
sa2c       warm-up as snqn, then A L_s + the same Q losses          arXiv 2111.03474
smorl      L_s + alpha sum_m w_m TD_m, three Q heads                arXiv 2110.15097
proxy      L_s + 1/2 (n / N - h(s)[a+])^2, no Q-learning            Labarca et al., 2024
========== ======================================================== ===================

On top of each, LE augmentation adds ``lambda * [L_s(a^) + L_q(a^, r^)]`` (the second where there is
a Q head). How to add a term or a framework: :mod:`agents.objectives.frameworks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.objectives.base import Augmentation, Batch, LogFacts, LossTerm, Outputs
from agents.objectives.frameworks import FRAMEWORKS, Framework, register
from agents.objectives.lea import AugmentedNextItem, AugmentedQ, DistilledState, Schedule

if TYPE_CHECKING:
    from agents.config import RecommenderConfig

__all__ = [
    "FRAMEWORKS",
    "Augmentation",
    "Batch",
    "Framework",
    "LogFacts",
    "LossTerm",
    "Outputs",
    "loss_terms",
    "register",
]


def loss_terms(config: RecommenderConfig) -> list[LossTerm]:
    """The terms that a recommender's settings name."""
    framework = config.framework
    terms = framework.terms(config)
    if config.state_reader == "distilled":
        terms.append(DistilledState(config.state_weight))
    schedule = Schedule(config.augment_schedule, config.augment_passes)
    if config.augmented:
        terms.append(AugmentedNextItem(config.augment_weight, schedule))
    if config.augmented and framework.q_heads:
        weight = config.augment_weight * config.q_weight * config.q_weights[0]
        terms.append(AugmentedQ(config.gamma, weight, schedule))
    return terms
