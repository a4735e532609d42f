"""The usual recommenders by name; each further setting is a field of ``RecommenderConfig``."""

from __future__ import annotations

from typing import Any

from agents.config import Backbone, Objective, RecommenderConfig
from agents.recommender import Recommender


class Supervised(Recommender):
    """The plain backbone: next-item prediction on the logged actions."""

    def __init__(self, backbone: Backbone = "sasrec", **settings: Any) -> None:
        super().__init__(RecommenderConfig(backbone=backbone, **settings))


class SNQN(Recommender):
    """Supervised learning and double Q-learning with sampled negatives, no language model.

    Xin et al., "Supervised Advantage Actor-Critic for Recommender Systems" (arXiv 2111.03474).
    """

    def __init__(self, backbone: Backbone = "sasrec", **settings: Any) -> None:
        super().__init__(RecommenderConfig(backbone=backbone, objective="snqn", **settings))


class LEA(Recommender):
    """A framework that learns with a language model as the environment (arXiv 2403.16948).

    Args:
        backbone: "sasrec", "gru4rec", "caser" or "nextitnet".
        state: join the simulator's state to the input of the Q head (LES).
        reward: let the simulator's liking be the reward (LER).
        augment: learn from the actions that the simulator proposes (LEA); all three: LEASR.
        objective: the framework on the logged actions.
        settings: any other field of :class:`RecommenderConfig`.
    """

    def __init__(
        self,
        backbone: Backbone = "sasrec",
        state: bool = True,
        reward: bool = True,
        augment: bool = True,
        objective: Objective = "snqn",
        **settings: Any,
    ) -> None:
        config = RecommenderConfig(backbone, objective, state, reward, augment, **settings)
        super().__init__(config)
