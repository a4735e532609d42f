"""``ScoringPolicy``: base class of shopping policies; gives action probabilities and a value."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agents.shop.shop_pool import ShopObservation
from llmrec_env.common.arrays import IntArray


class ScoringPolicy(nn.Module):
    """A probability for each valid action, and a value of the state.

    Attributes:
        observation: the form of observation that it reads.
        view: arguments of the environment that go with it.
    """

    observation: str
    action_mode = "index"
    view: Mapping[str, Any] = {}

    @abstractmethod
    def forward(self, observations: Sequence[ShopObservation]) -> tuple[Tensor, Tensor]:
        """Log-probabilities float32 (N, A) of the valid actions, and values float32 (N,).

        A is the largest number of valid actions among the observations; places beyond an
        observation's own have minus infinity.
        """

    def scores(self, observations: Sequence[ShopObservation], places: IntArray) -> Tensor:
        """Log-probabilities of some actions, up to a constant for each observation, float32 (N, K).

        A policy for which some actions cost less than all overrides it.

        Args:
            observations: N situations.
            places: int64 (N, K), of actions among the valid ones.
        """
        log_probs, _ = self(observations)
        return log_probs.gather(1, torch.from_numpy(places).to(log_probs.device))

    def parts(self, observations: Sequence[ShopObservation]) -> list[IntArray]:
        """Places of the observations that may be learned from at once, for the memory's sake."""
        return [np.arange(len(observations))]

    @abstractmethod
    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write all that is needed to act again into a folder, whole or not at all."""

    @torch.no_grad()
    def act(
        self, observations: Sequence[ShopObservation], rng: np.random.Generator | None = None
    ) -> list[int]:
        """The likeliest action for each observation, or with ``rng`` one drawn by probability."""
        log_probs = self(observations)[0].float().cpu().numpy()
        return draw(log_probs, rng)


def draw(log_probs: np.ndarray, rng: np.random.Generator | None) -> list[int]:
    """The likeliest place of each row, or one drawn by its probability."""
    if rng is not None:
        log_probs = log_probs + rng.gumbel(size=log_probs.shape)  # the Gumbel trick: exact draws
    places: list[int] = log_probs.argmax(axis=1).tolist()
    return places
