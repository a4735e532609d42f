"""Backbones: sequence encoders by name; :func:`register_backbone` adds one of your own."""

from agents.backbones.base import (
    BACKBONES,
    BackboneConfig,
    Reading,
    SequenceEncoder,
    register_backbone,
)
from agents.backbones.caser import Caser, CaserConfig
from agents.backbones.gru4rec import GRU4Rec, GRU4RecConfig
from agents.backbones.nextitnet import NextItNet, NextItNetConfig
from agents.backbones.sasrec import SASRec, SASRecConfig

DEFAULT_BACKBONE = SASRecConfig.name
"""The backbone of a recommender that names none."""

for _config in (SASRecConfig, GRU4RecConfig, CaserConfig, NextItNetConfig):
    register_backbone(_config)

__all__ = [
    "BACKBONES",
    "DEFAULT_BACKBONE",
    "BackboneConfig",
    "Caser",
    "CaserConfig",
    "GRU4Rec",
    "GRU4RecConfig",
    "NextItNet",
    "NextItNetConfig",
    "Reading",
    "SASRec",
    "SASRecConfig",
    "SequenceEncoder",
    "register_backbone",
]
