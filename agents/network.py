"""The network of a recommender: one sequence encoder, and the linear heads of its framework."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agents.backbones import BACKBONES
from agents.backbones.base import initialise
from agents.config import RecommenderConfig
from agents.objectives.base import LANGUAGE
from llmrec_env.common.softmax import best_entries, linear_entries, log_normaliser, product_dtype


class Network(nn.Module):
    """Supervised logits f(s), which rank, and heads that shape the encoder in learning.

    Those are the Q-values and what else the framework declares. The simulator's state may stand
    beside the encoder's in front of the Q heads, or be what a head must predict: serving needs f(s)
    alone, so no language model. Or it is fused into s, and f(s) needs it too.

    Attributes:
        state_size: length of the simulator's state; 0 where nothing reads it.
        state_reader: what reads it (``RecommenderConfig.state_reader``).
        q_weights: the weight of each Q head in the sum that picks the best action.
    """

    def __init__(self, config: RecommenderConfig, n_items: int, state_size: int = 0) -> None:
        super().__init__()
        self.n_items = n_items
        self.state_size = state_size
        self.state_reader = config.state_reader
        self.precision = config.precision
        self.encoder = BACKBONES[config.backbone].from_config(n_items, config)
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.output = None if config.tied else nn.Embedding(n_items, config.dim)
        self.q_weights = config.q_weights
        self.q_head = None
        if self.q_weights:
            beside = state_size if self.state_reader == "q_head" else 0
            self.q_head = nn.Linear(config.dim + beside, len(self.q_weights) * n_items)
        sizes = dict(config.framework.heads)
        if self.state_reader == "distilled":
            sizes[LANGUAGE] = state_size
        self.heads = nn.ModuleDict(
            {
                name: nn.Linear(config.dim, n_items if size is None else size)
                for name, size in sizes.items()
            }
        )
        for head in (self.output, self.q_head, *self.heads.values()):
            if head is not None:
                initialise(head)
        self.fusion = None
        if self.state_reader == "fused":
            self.fusion = nn.Linear(state_size, config.dim, bias=False)
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
        """The states (P, dim) that every head reads: the encoder's, with the simulator's in them.

        Only where it is to be fused; it begins as the encoder's alone.
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
        """A further head at states (P, dim): all its outputs, or those of int64 (P, J)."""
        head = self.heads[name]
        assert isinstance(head, nn.Linear)
        return head(states) if outputs is None else _some(head, states, outputs)

    def q(self, states: Tensor, language: Tensor | None) -> Tensor:
        """Q(s, .) of all items, float32 (P, n_items); of several heads their weighted sum."""
        return F.linear(self._join(states, language), *self._q_table())

    def best_by_q(self, states: Tensor, language: Tensor | None) -> Tensor:
        """argmax_a Q(s, a), int64 (P,), no gradient; for learning, where near ties may fall."""
        return best_entries(self._join(states, language), *self._q_table(), self._product_dtype)

    def q_of(self, states: Tensor, language: Tensor | None, actions: Tensor) -> Tensor:
        """Q(s, a) of some actions int64 (P, J) by the first Q head, float32 (P, J).

        Without the cost of the others.
        """
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
