"""The network of a recommender: one sequence encoder, two linear heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.backbones import BACKBONES
from agents.backbones.base import initialise
from agents.config import RecommenderConfig


class Network(nn.Module):
    """Supervised logits f(s), which rank, and Q-values, which shape the encoder in learning.

    The Q head may read the simulator's state beside the encoder's: serving needs f(s) alone, so no
    language model.

    Attributes:
        state_size: length of the simulator's state that the Q head reads; 0 where it reads none.
    """

    def __init__(self, config: RecommenderConfig, n_items: int, state_size: int = 0) -> None:
        super().__init__()
        self.n_items = n_items
        self.state_size = state_size
        self.encoder = BACKBONES[config.backbone].from_config(n_items, config)
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.output = None if config.tied else nn.Embedding(n_items, config.dim)
        self.q_head = None
        if config.objective == "snqn":
            self.q_head = nn.Linear(config.dim + state_size, n_items)
        for head in (self.output, self.q_head):
            if head is not None:
                initialise(head)

    def logits(self, states: Tensor) -> Tensor:
        """f(s), float32 (P, n_items), for states (P, dim)."""
        if self.output is None:
            table = self.encoder.item_embedding.weight[: self.n_items]
        else:
            table = self.output.weight
        return F.linear(states, table, self.bias)

    def q(self, states: Tensor, language: Tensor | None) -> Tensor:
        """Q(s, .) of all items, float32 (P, n_items)."""
        assert self.q_head is not None, "a supervised network has no Q head"
        return self.q_head(self._join(states, language))

    def q_of(self, states: Tensor, language: Tensor | None, actions: Tensor) -> Tensor:
        """Q(s, a) of some actions int64 (P, J), float32 (P, J), without the others' cost."""
        assert self.q_head is not None, "a supervised network has no Q head"
        weights = F.embedding(actions, self.q_head.weight)
        bias = self.q_head.bias[actions]
        return torch.einsum("pd,pjd->pj", self._join(states, language), weights) + bias

    def _join(self, states: Tensor, language: Tensor | None) -> Tensor:
        if not self.state_size:
            return states
        assert language is not None, "this Q head reads the simulator's states"
        # The encoder's states have unit variance; unit vectors are brought to the same scale.
        return torch.cat([states, language * self.state_size**0.5], dim=1)
