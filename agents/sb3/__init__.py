"""Stable-baselines3 parts: policies that generalise over items, and history encoders."""

from agents.sb3.features import SequenceFeatures
from agents.sb3.policies import (
    ItemLogits,
    ItemPolicy,
    MaskableItemPolicy,
    begin_with,
    language_vectors,
)

__all__ = [
    "ItemLogits",
    "ItemPolicy",
    "MaskableItemPolicy",
    "SequenceFeatures",
    "begin_with",
    "language_vectors",
]
