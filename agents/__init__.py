"""Sequential recommenders that learn from a log and, on request, from a simulated user.

Ready-made recommenders:
    ``LEA``: a backbone that learns with the LE's state, reward and proposed actions.
    ``SNQN``: supervised learning and Q-learning together.
    ``Supervised``: next-item prediction alone.

Any combination:
    ``RecommenderConfig``: a backbone, an objective and all their settings.
    ``Recommender``: what learns by that config: ``fit``, ``recommend``, ``save``, ``load``.

Backbones, and the parts of one of your own:
    ``SASRec``, ``GRU4Rec``, ``Caser``, ``NextItNet``: encoders of a user's history.
    ``SequenceEncoder``: the base class of encoders.
    ``LossTerm``: the base class of one term of a loss.
"""

from agents.backbones import Caser, GRU4Rec, NextItNet, SASRec, SequenceEncoder
from agents.config import RecommenderConfig
from agents.objectives import LossTerm
from agents.presets import LEA, SNQN, Supervised
from agents.recommender import Recommender

__all__ = [
    # ready-made recommenders
    "LEA",
    "SNQN",
    "Supervised",
    # any combination
    "RecommenderConfig",
    "Recommender",
    # backbones, and the parts of one of your own
    "SASRec",
    "GRU4Rec",
    "Caser",
    "NextItNet",
    "SequenceEncoder",
    "LossTerm",
]
