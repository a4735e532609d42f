"""Objectives as loss terms that add up."""

from __future__ import annotations

from agents.config import RecommenderConfig
from agents.objectives.base import Augmentation, Batch, LossTerm, Outputs
from agents.objectives.lea import AugmentedNextItem, AugmentedQ
from agents.objectives.q_learning import LoggedQ, NegativeQ
from agents.objectives.supervised import NextItem

__all__ = ["Augmentation", "Batch", "LossTerm", "Outputs", "loss_terms"]


def loss_terms(config: RecommenderConfig) -> list[LossTerm]:
    """The terms that a recommender's settings name."""
    terms: list[LossTerm] = [NextItem(config.label_smoothing)]
    if config.objective == "snqn":
        terms.append(LoggedQ(config.gamma, config.q_weight))
        terms.append(NegativeQ(config.gamma, config.q_weight))
    if config.augment:
        terms.append(AugmentedNextItem(config.augment_weight))
    if config.augment and config.objective == "snqn":
        terms.append(AugmentedQ(config.gamma, config.augment_weight * config.q_weight))
    return terms
