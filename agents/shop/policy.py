"""Policies that score the valid actions: one interface for small networks and language models."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from agents.shop.base import ShopObservation


class ScoringPolicy(nn.Module):
    """A probability for each valid action, and a value of the state.

    Attributes:
        observation: the form of observation that it reads.
    """

    observation: str
    action_mode = "index"

    @abstractmethod
    def forward(self, sights: Sequence[ShopObservation]) -> tuple[Tensor, Tensor]:
        """Log-probabilities float32 (N, A) of the valid actions, and values float32 (N,).

        A is the largest number of valid actions among the sights; places beyond a sight's own have
        minus infinity.
        """

    @abstractmethod
    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write all that is needed to act again into a folder, whole or not at all."""

    @torch.no_grad()
    def act(
        self, sights: Sequence[ShopObservation], rng: np.random.Generator | None = None
    ) -> list[int]:
        """The likeliest action of each sight, or with ``rng`` one drawn by its probability."""
        log_probs = self(sights)[0].float().cpu().numpy()
        return draw(log_probs, rng)


def draw(log_probs: np.ndarray, rng: np.random.Generator | None) -> list[int]:
    """The likeliest place of each row, or one drawn by its probability."""
    if rng is not None:
        log_probs = log_probs + rng.gumbel(size=log_probs.shape)  # the Gumbel trick: exact draws
    return log_probs.argmax(axis=1).tolist()
