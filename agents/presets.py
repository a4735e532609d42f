"""Ready-made recommenders ``Supervised``, ``SNQN`` and ``LEA``; settings are flat keywords."""

from __future__ import annotations

from typing import Any

from agents.backbones import DEFAULT_BACKBONE, BackboneConfig
from agents.objectives import ObjectiveConfig
from agents.objectives.lea import BASE
from agents.recommender import Recommender


class Supervised(Recommender):
    """The plain backbone: next-item prediction on the logged actions.

    Args:
        backbone: "sasrec", "gru4rec", "caser", "nextitnet", one of your own, or its config.
        settings: any other setting (:meth:`RecommenderConfig.of`), such as ``dim=32, epochs=3``.
    """

    def __init__(self, backbone: BackboneConfig | str = DEFAULT_BACKBONE, **settings: Any) -> None:
        super().__init__(backbone=backbone, **settings)


class SNQN(Recommender):
    """Supervised learning and double Q-learning with sampled negatives, no language model.

    Xin et al., "Supervised Advantage Actor-Critic for Recommender Systems" (arXiv 2111.03474).

    Args:
        backbone: as in :class:`Supervised`.
        settings: as in :class:`Supervised`.
    """

    def __init__(self, backbone: BackboneConfig | str = DEFAULT_BACKBONE, **settings: Any) -> None:
        super().__init__(backbone=backbone, objective="snqn", **settings)


class LEA(Recommender):
    """A framework that learns with a language model as the environment (arXiv 2403.16948).

    Args:
        backbone: as in :class:`Supervised`.
        state: join the simulator's state to the input of the Q head (LES).
        reward: let the simulator's liking be the reward (LER).
        augment: learn from the actions that the simulator proposes (LEA); all three: LEASR.
        objective: the framework on the logged actions: a name, or its config.
        settings: as in :class:`Supervised`.
    """

    def __init__(
        self,
        backbone: BackboneConfig | str = DEFAULT_BACKBONE,
        state: bool = True,
        reward: bool = True,
        augment: bool = True,
        objective: ObjectiveConfig | str = BASE,
        **settings: Any,
    ) -> None:
        settings |= {"state": state, "reward": reward, "augment": augment}
        super().__init__(backbone=backbone, objective=objective, **settings)
