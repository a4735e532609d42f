"""Sequence encoders, by name."""

from agents.backbones.base import Reading, SequenceEncoder
from agents.backbones.gru4rec import GRU4Rec
from agents.backbones.sasrec import SASRec

BACKBONES: dict[str, type[SequenceEncoder]] = {"sasrec": SASRec, "gru4rec": GRU4Rec}

__all__ = ["BACKBONES", "GRU4Rec", "Reading", "SASRec", "SequenceEncoder"]
