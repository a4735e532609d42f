"""``NullLM``: a control without a language model, whose outputs are zeros.

An LE without outputs to correct anything by is a bag of items: its state is the recency-weighted
mean of item features, mapped, and its reward a logistic function of how close the action is to it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmrec_env.language.lm.backend import LMBackend, RowCache


class NullLM(LMBackend):
    """A backend that gives zeros at every token.

    Args:
        hidden_size: width of the tokens that it is given.
    """

    n_layers = 0
    max_positions = None

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    @property
    def dtype(self) -> torch.dtype:
        """float32."""
        return torch.float32

    @property
    def can_learn(self) -> bool:
        """It has no adapters, but does not hinder the heads from learning."""
        return True

    def forward(
        self,
        embedded: Tensor,
        allowed: Tensor,
        positions: Tensor,
        key_positions: Tensor | None = None,
        cache: RowCache | None = None,
    ) -> Tensor:
        """Zeros, float32 (B, T, H)."""
        return torch.zeros_like(embedded, dtype=torch.float32)
