"""The network of a recommender: a sequence encoder and the linear heads of its framework."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.backbones.base import SequenceEncoder, initialise
from llmrec_env.common.softmax import (
    Precision,
    best_entries,
    linear_entries,
    log_normaliser,
    product_dtype,
)


class Network(nn.Module):
    """Supervised logits f(s), which rank, and heads that shape the encoder in learning.

    Those are the Q-values and the further heads of the framework. The simulator's state may stand
    beside the encoder's in front of the Q heads, or be what a head must predict: serving then needs
    f(s) alone, so no language model. Or it is fused into s, and f(s) needs it too.

    Args:
        encoder: what reads histories.
        state_size: length of the simulator's state; 0 where nothing reads it.
        q_weights: the weight of each Q head in the sum that picks the best action.
        heads: outputs of each further head, by name.
        state_reader: what reads the simulator's state: "q_head", "fused", another head or "".
        tied: whether the output table of the supervised head is the item embedding.
        precision: number format of products over the catalogue in learning.
    """

    def __init__(
        self,
        encoder: SequenceEncoder,
        state_size: int = 0,
        q_weights: tuple[float, ...] = (),
        heads: Mapping[str, int] | None = None,
        state_reader: str = "",
        tied: bool = False,
        precision: Precision = "auto",
    ) -> None:
        super().__init__()
        n_items, dim = encoder.n_items, encoder.dim
        self.n_items = n_items
        self.state_size = state_size
        self.state_reader = state_reader
        self.precision = precision
        self.encoder = encoder
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.output = None if tied else nn.Embedding(n_items, dim)
        self.q_weights = q_weights
        self.q_head = None
        if q_weights:
            beside = state_size if state_reader == "q_head" else 0
            self.q_head = nn.Linear(dim + beside, len(q_weights) * n_items)
        sizes = heads or {}
        self.heads = nn.ModuleDict({name: nn.Linear(dim, size) for name, size in sizes.items()})
        for head in (self.output, self.q_head, *self.heads.values()):
            if head is not None:
                initialise(head)
        self.fusion = None
        if state_reader == "fused":
            self.fusion = nn.Linear(state_size, dim, bias=False)
            nn.init.zeros_(self.fusion.weight)

    @property
    def item_inputs(self) -> Tensor:
        """The item embedding, float32 (n_items, dim)."""
        return self.encoder.item_embedding.weight[: self.n_items]

    @property
    def item_outputs(self) -> Tensor:
        """The table of the supervised head, float32 (n_items, dim); the embedding if tied."""
        return self.item_inputs if self.output is None else self.output.weight

    def fuse(self, states: Tensor, language: Tensor | None) -> Tensor:
        """The states (P, dim) that every head reads.

        The encoder's; where the simulator's is fused, plus a linear map of it that begins at zero.
        """
        if self.fusion is None:
            return states
        return states + self.fusion(self._scaled(language))

    def logits(self, states: Tensor) -> Tensor:
        """f(s), float32 (P, n_items), for states (P, dim) as :meth:`fuse` gives them."""
        return F.linear(states, self.item_outputs, self.bias)

    def log_normaliser(self, states: Tensor) -> Tensor:
        """``log sum_a exp f(s)[a]``, float32 (P,): for learning, without the logits themselves."""
        return log_normaliser(states, self.item_outputs, self.bias, self._product_dtype)

    def logits_of(self, states: Tensor, items: Tensor) -> Tensor:
        """f(s) of some items int64 (P, J), float32 (P, J)."""
        return linear_entries(states, self.item_outputs, self.bias, items)

    def mean_logit(self, states: Tensor) -> Tensor:
        """The mean of f(s) over all items, float32 (P,)."""
        return states @ self.item_outputs.mean(dim=0) + self.bias.mean()

    def read_head(self, name: str, states: Tensor, outputs: Tensor | None = None) -> Tensor:
        """A further head at states (P, dim): all its outputs, or those named by int64 (P, J)."""
        head = self.heads[name]
        assert isinstance(head, nn.Linear)
        return head(states) if outputs is None else _some(head, states, outputs)

    def q(self, states: Tensor, language: Tensor | None) -> Tensor:
        """Q(s, .) of all items, float32 (P, n_items); of several heads their weighted sum."""
        return F.linear(self._join(states, language), *self._q_table())

    def best_by_q(self, states: Tensor, language: Tensor | None) -> Tensor:
        """argmax_a Q(s, a), int64 (P,), no gradient; in learning's number format, so for near ties
        either action may come out."""
        return best_entries(self._join(states, language), *self._q_table(), self._product_dtype)

    def q_of(self, states: Tensor, language: Tensor | None, actions: Tensor) -> Tensor:
        """Q(s, a) of some actions int64 (P, J) by the first Q head alone, float32 (P, J)."""
        return _some(self._q_head(), self._join(states, language), actions)

    def q_of_heads(self, states: Tensor, language: Tensor | None, actions: Tensor) -> Tensor:
        """Q(s, a) of one action a state, int64 (P,), by every Q head: float32 (P, q_heads)."""
        begins = torch.arange(len(self.q_weights), device=actions.device) * self.n_items
        rows = actions[:, None] + begins
        return _some(self._q_head(), self._join(states, language), rows)

    def _q_table(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the Q-values; several heads are summed before the product."""
        head = self._q_head()
        if len(self.q_weights) == 1:
            return head.weight, head.bias
        weights = head.weight.new_tensor(self.q_weights)
        table = torch.einsum("h,hnd->nd", weights, head.weight.view(len(weights), self.n_items, -1))
        return table, weights @ head.bias.view(len(weights), self.n_items)

    @property
    def _product_dtype(self) -> torch.dtype:
        return product_dtype(self.precision, self.bias.device)

    def _q_head(self) -> nn.Linear:
        assert self.q_head is not None, "this framework has no Q head"
        return self.q_head

    def _join(self, states: Tensor, language: Tensor | None) -> Tensor:
        if self.state_reader != "q_head":
            return states
        return torch.cat([states, self._scaled(language)], dim=1)

    def _scaled(self, language: Tensor | None) -> Tensor:
        assert language is not None, "this network reads the simulator's states"
        # The encoder's states have unit variance; unit vectors are brought to the same scale.
        return language * self.state_size**0.5


def _some(head: nn.Linear, states: Tensor, outputs: Tensor) -> Tensor:
    return linear_entries(states, head.weight, head.bias, outputs)
