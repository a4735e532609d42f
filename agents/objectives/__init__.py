"""Objectives: frameworks as sums of loss terms, by name; :func:`register` adds your own.

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
a Q head; :mod:`agents.objectives.lea`). How to add one: :mod:`agents.objectives.framework`.
"""

from agents.objectives.base import Augmentation, Batch, LogFacts, LossTerm, Outputs
from agents.objectives.framework import FRAMEWORKS, ObjectiveConfig, register
from agents.objectives.lea import LanguageConfig
from agents.objectives.proxy import ProxyConfig
from agents.objectives.q_learning import QLearningConfig
from agents.objectives.sa2c import SA2CConfig
from agents.objectives.sac import SACConfig
from agents.objectives.smorl import SMORLConfig
from agents.objectives.snqn import SNQNConfig
from agents.objectives.sqn import SQNConfig
from agents.objectives.supervised import SupervisedConfig

DEFAULT_OBJECTIVE = SupervisedConfig.name
"""The framework of a recommender that names none."""

for _config in (SupervisedConfig, SQNConfig, SACConfig, SNQNConfig, SA2CConfig, SMORLConfig):
    register(_config)
register(ProxyConfig)

__all__ = [
    "DEFAULT_OBJECTIVE",
    "FRAMEWORKS",
    "Augmentation",
    "Batch",
    "LanguageConfig",
    "LogFacts",
    "LossTerm",
    "ObjectiveConfig",
    "Outputs",
    "ProxyConfig",
    "QLearningConfig",
    "SA2CConfig",
    "SACConfig",
    "SMORLConfig",
    "SNQNConfig",
    "SQNConfig",
    "SupervisedConfig",
    "register",
]
