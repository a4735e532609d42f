"""Command-line options shared by the ``llmrec bench`` commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from llmrec_env.cli import options


@dataclass(frozen=True)
class LearningOptions:
    """How long recommenders and LEs learn, and what LEs are made of; each field is an option."""

    epochs: options.Epochs = 20
    patience: Annotated[
        int,
        options.number(
            "Passes without a better validation after which a training stops; 0: never.", least=0
        ),
    ] = 3
    base_model: options.BaseModel = None
    item_encoder: options.ItemEncoder = None
    le_epochs: Annotated[
        int, options.number("Passes over the log of the LE and of its controls at most.", least=1)
    ] = 6
    allow_untexted: options.Untexted = False
    mask_seen: options.MaskSeen = None
    budget: options.Budget = 1.0
