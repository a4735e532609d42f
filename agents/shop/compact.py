"""The compact policy: a small network that scores each valid action by its features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agents.shop.base import Sight
from agents.shop.policy import ScoringPolicy
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import atomic_path, read_json, write_json
from llmrec_env.shop.features import ACTION_SIZE, EMBEDDING, STATE_SIZE


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of the network."""

    width: int = 128
    """Units of each layer."""
    dropout: float = 0.1
    """Share of activations dropped in training."""
    words: bool = False
    """Whether to read the hashed embeddings too: with few rollouts they are learned by heart, but
    other words for the same thing can be learned from nothing else."""
    seed: int = 0
    """Draws the initial weights."""


class CompactPolicy(ScoringPolicy):
    """Scores ``observation="features"``: each action sees itself, the page and all the others.

    An action's features and the state's pass a layer; the mean and the maximum over the valid
    actions join each of them, so that "there is an option still to choose" can be said; a second
    layer scores. It has no vocabulary: words come as matches and frozen hashed embeddings, so what
    it learns holds for products that it never met.

    Args:
        config: sizes.
    """

    observation = "features"

    def __init__(self, config: CompactConfig | None = None) -> None:
        super().__init__()
        self.config = config or CompactConfig()
        width, dropout = self.config.width, self.config.dropout
        with torch.random.fork_rng([]):
            torch.manual_seed(self.config.seed)
            self.read_state = nn.Linear(STATE_SIZE, width)
            self.relate = nn.Linear(EMBEDDING, EMBEDDING, bias=False)
            self.read_action = nn.Linear(ACTION_SIZE + EMBEDDING, width)
            self.mix = nn.Linear(4 * width, width)
            self.score = nn.Linear(width, 1)
            self.value = nn.Sequential(nn.Linear(3 * width, width), nn.ReLU(), nn.Linear(width, 1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, sights: Sequence[Sight]) -> tuple[Tensor, Tensor]:
        """Log-probabilities float32 (N, A) of the valid actions, and values float32 (N,)."""
        state, instruction, actions, valid = self._tensors(sights)
        words = actions[..., -EMBEDDING:] * self.relate(instruction).unsqueeze(1)
        each = self.dropout(torch.relu(self.read_action(torch.cat([actions, words], dim=-1))))
        each = each * valid.unsqueeze(-1)
        page = self.dropout(torch.relu(self.read_state(state)))
        mean = each.sum(dim=1) / valid.sum(dim=1, keepdim=True)
        seen = torch.cat([page, mean, each.amax(dim=1)], dim=-1)
        around = seen.unsqueeze(1).expand(-1, each.shape[1], -1)
        mixed = torch.relu(self.mix(torch.cat([each, around], dim=-1)))
        scores = self.score(mixed).squeeze(-1).masked_fill(~valid.bool(), -torch.inf)
        return torch.log_softmax(scores, dim=1), self.value(seen).squeeze(-1)

    def _tensors(self, sights: Sequence[Sight]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """State, instruction, actions (N, A, ACTION_SIZE) and which of them are valid (N, A)."""
        counts = [len(sight.actions) for sight in sights]
        actions = np.zeros((len(sights), max(counts), ACTION_SIZE), dtype=np.float32)
        for row, (sight, n) in enumerate(zip(sights, counts, strict=True)):
            actions[row, :n] = sight.observation["actions"][: n * ACTION_SIZE].reshape(n, -1)
        valid = np.arange(max(counts)) < np.array(counts)[:, None]
        state, instruction = (
            np.stack([sight.observation[name] for sight in sights])
            for name in ("state", "instruction")
        )
        device = self.score.weight.device
        return tuple(  # type: ignore[return-value]
            torch.from_numpy(part).to(device)
            for part in (state, instruction, actions, valid.astype(np.float32))
        )
