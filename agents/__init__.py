"""Recommenders that learn from a log and, where they are asked to, from a simulated user."""

from agents.backbones import Caser, GRU4Rec, NextItNet, SASRec, SequenceEncoder
from agents.config import RecommenderConfig
from agents.objectives import LossTerm
from agents.presets import LEA, SNQN, Supervised
from agents.recommender import Recommender

__all__ = [
    "LEA",
    "SNQN",
    "Caser",
    "GRU4Rec",
    "LossTerm",
    "NextItNet",
    "Recommender",
    "RecommenderConfig",
    "SASRec",
    "SequenceEncoder",
    "Supervised",
]
