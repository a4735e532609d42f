"""A d3rlpy encoder that embeds the user's last items, for learning without LE states."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.indices import as_item_indices

require("d3rlpy", "d3rlpy")
from d3rlpy.models.encoders import EncoderFactory, register_encoder_factory  # noqa: E402
from d3rlpy.models.torch import Encoder, EncoderWithAction  # noqa: E402
from d3rlpy.types import Shape, TorchObservation  # noqa: E402

PROBED_ROWS = 2
"""Rows of random numbers with which d3rlpy asks a new encoder how wide its output is."""


class PooledHistory(nn.Module):
    """Mean of the items' embeddings, each step back weighing less.

    With d steps back weighing ``w = sigmoid(decay) ** d`` (``decay`` is learned)::

        sum_d w_d e_d / sum_d w_d
    """

    def __init__(self, n_items: int, embedding_size: int) -> None:
        super().__init__()
        self.n_items = n_items
        self.items = nn.Embedding(n_items + 1, embedding_size, padding_idx=n_items)
        self.decay = nn.Parameter(torch.tensor(1.5))

    def pooled(self, x: TorchObservation) -> Tensor:
        """Float or integer item indices (N, history_length), right-aligned -> (N, embedding)."""
        assert isinstance(x, Tensor)
        probed = len(x) == PROBED_ROWS and not torch.is_grad_enabled()
        items = x.long()
        if not probed:
            items = as_item_indices(x, self.n_items, "an observation scaler of d3rlpy")
        steps_back = torch.arange(items.shape[1] - 1, -1, -1, device=items.device)
        weights = torch.sigmoid(self.decay) ** steps_back * (items != self.n_items)
        total = weights.sum(dim=1, keepdim=True).clamp_min(1e-6)
        return ((weights / total).unsqueeze(-1) * self.items(items)).sum(dim=1)


class HistoryEncoder(PooledHistory, Encoder):
    """The pooled history h, then one hidden layer, ``relu(W h + b)``."""

    def __init__(self, n_items: int, embedding_size: int, hidden_size: int) -> None:
        super().__init__(n_items, embedding_size)
        self.hidden = nn.Linear(embedding_size, hidden_size)

    def forward(self, x: TorchObservation) -> Tensor:
        """Item indices (N, history_length) -> (N, hidden_size)."""
        return torch.relu(self.hidden(self.pooled(x)))


class HistoryEncoderWithAction(PooledHistory, EncoderWithAction):
    """The pooled history h and a point a, then one hidden layer, ``relu(W [h, a] + b)``."""

    def __init__(
        self, n_items: int, embedding_size: int, hidden_size: int, action_size: int
    ) -> None:
        super().__init__(n_items, embedding_size)
        self.hidden = nn.Linear(embedding_size + action_size, hidden_size)

    def forward(self, x: TorchObservation, action: Tensor) -> Tensor:
        """Item indices (N, history_length) and points (N, action_size) -> (N, hidden_size)."""
        return torch.relu(self.hidden(torch.cat([self.pooled(x), action], dim=1)))


@dataclass()
class HistoryEncoderFactory(EncoderFactory):
    """Makes encoders of histories; registered with d3rlpy as "llmrec_history".

    Give it to an algorithm that learns from ``state="history"`` transitions::

        DiscreteBCConfig(encoder_factory=HistoryEncoderFactory(n_items=800)).create()

    Args:
        n_items: size of the catalogue, which is also the index that pads.
        embedding_size: width of an item's embedding.
        hidden_size: width of what the heads read.
    """

    n_items: int
    embedding_size: int = 64
    hidden_size: int = 256

    def create(self, observation_shape: Shape) -> HistoryEncoder:
        """The encoder of a one-dimensional observation."""
        return HistoryEncoder(self.n_items, self.embedding_size, self.hidden_size)

    def create_with_action(
        self, observation_shape: Shape, action_size: int, discrete_action: bool = False
    ) -> EncoderWithAction:
        """The encoder of an observation and of an action that is a point.

        Raises:
            SettingError: the action is an item, which every algorithm for items scores at once.
        """
        if discrete_action:
            raise SettingError("HistoryEncoderFactory reads no action that is an item")
        return HistoryEncoderWithAction(
            self.n_items, self.embedding_size, self.hidden_size, action_size
        )

    @staticmethod
    def get_type() -> str:
        """The name in a saved configuration."""
        return "llmrec_history"


register_encoder_factory(HistoryEncoderFactory)
