"""Sequence encoders, by name."""

from agents.backbones.base import Reading, SequenceEncoder
from agents.backbones.caser import Caser
from agents.backbones.gru4rec import GRU4Rec
from agents.backbones.nextitnet import NextItNet
from agents.backbones.sasrec import SASRec

BACKBONES: dict[str, type[SequenceEncoder]] = {
    "sasrec": SASRec,
    "gru4rec": GRU4Rec,
    "caser": Caser,
    "nextitnet": NextItNet,
}

__all__ = ["BACKBONES", "Caser", "GRU4Rec", "NextItNet", "Reading", "SASRec", "SequenceEncoder"]
