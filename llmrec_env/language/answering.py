"""``AnsweringLE``: an LE with item tables computed once; it reads histories and scores items.

Every item has a token, a feature and a vector, which the heads compute from its text. They depend
on no user, so they are computed once for many reads: an LE that has learned keeps them for good,
and one that learns computes them anew for each batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmrec_env.data.windows import Window
from llmrec_env.language.attention import branch_mask, trunk_mask
from llmrec_env.language.heads import Heads
from llmrec_env.language.lm.backend import LMBackend, RowCache
from llmrec_env.language.model import ItemTables, LanguageEnvironment


class AnsweringLE:
    """An LE as its weights stand now; whoever changes them makes a new one.

    Args:
        model: the LE.
        items: int64 (M,), the only items that it will be asked about, which are then named by
            their places in this array; None for the whole catalogue.

    Attributes:
        items: the only items that it knows, or None.
        tables: what the LE knows of the items; gradients flow through it to the heads.
    """

    def __init__(self, model: LanguageEnvironment, items: Tensor | None = None) -> None:
        self.model = model
        self.items = items
        self.tables: ItemTables = model.tables(items)

    @property
    def backend(self) -> LMBackend:
        """The language model."""
        return self.model.backend

    @property
    def heads(self) -> Heads:
        """The small trainable parts."""
        return self.model.heads

    @property
    def window(self) -> Window:
        """How much of a history is read."""
        return self.model.config.window

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.model.device

    @property
    def state_size(self) -> int:
        """Length of a state."""
        return self.model.state_size

    @property
    def n_items(self) -> int:
        """Items that it answers about."""
        return len(self.tables.vectors)

    def read(self, items: Tensor, lengths: Tensor, cache: RowCache | None = None) -> Tensor:
        """LM outputs at every item of right-padded histories.

        Args:
            items: int64 (B, T).
            lengths: int64 (B,), at least 1.
            cache: where the keys and values of the items go, if anywhere.

        Returns:
            float32 (B, T, H); what stands at padded places means nothing.
        """
        place = torch.arange(items.shape[1], device=items.device).expand_as(items)
        allowed = trunk_mask(lengths, items.shape[1])
        return self.backend(self.tables.tokens[items], allowed, place, cache=cache)

    def read_branches(
        self, items: Tensor, lengths: Tensor, actions: Tensor, parents: Tensor
    ) -> tuple[Tensor, Tensor]:
        """LM outputs at every item, and at actions tried after some of them, in one pass.

        Args:
            items: int64 (B, T), right-padded.
            lengths: int64 (B,).
            actions: int64 (B, C).
            parents: int64 (B, C), the place in ``items`` after which each action is tried.

        Returns:
            float32 (B, T, H) and (B, C, H).
        """
        width = items.shape[1]
        place = torch.arange(width, device=items.device).expand_as(items)
        positions = torch.cat([place, parents + 1], dim=1)
        embedded = self.tables.tokens[torch.cat([items, actions], dim=1)]
        hidden = self.backend(embedded, branch_mask(lengths, width, parents), positions)
        return hidden[:, :width], hidden[:, width:]

    def states(self, items: Tensor, hidden: Tensor) -> Tensor:
        """Unit states (B, T, D) after every item, from items (B, T) and LM outputs (B, T, H)."""
        return self.heads.states(self.heads.means(self.tables.features[items]), hidden)

    def raw_reward(self, hidden: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """Unbounded rewards (…,) of actions int64 (…,): LM outputs at them, states before them."""
        return self.heads.raw_reward(hidden, states, self.tables.vectors[actions])

    def liking(self, hidden: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """Rewards in (0, 1) of actions: the sigmoid of their normalised :meth:`raw_reward`."""
        return self.model.liking(self.raw_reward(hidden, states, actions))
