"""For stable-baselines3: policies that share what they learn over the items, and sequence encoders
that read the user's history."""

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
