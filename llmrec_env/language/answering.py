"""``AnsweringLE``: an LE with item tables computed once; it reads histories and scores items.

Every item has a token, a feature and a vector, which the heads compute from its text. They depend
on no user, so they are computed once for many reads: an LE that has learned keeps them for good,
and one that learns computes them anew for each batch.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from llmrec_env.data.windows import Window
from llmrec_env.language.attention import branch_mask, trunk_mask
from llmrec_env.language.heads import Heads
from llmrec_env.language.liking import LikingHead, LikingTables, Pools, share_below
from llmrec_env.language.lm.backend import LMBackend, RowCache
from llmrec_env.language.members import LikingMembers, Members
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
        scale: how feedback is put into numbers; None where the LE reads none.
    """

    def __init__(self, model: LanguageEnvironment, items: Tensor | None = None) -> None:
        self.model = model
        self.items = items
        self.tables: ItemTables = model.tables(items)
        self.scale = model.config.feedback

    @property
    def backend(self) -> LMBackend:
        """The language model."""
        return self.model.backend

    @property
    def heads(self) -> Heads:
        """The small trainable parts."""
        return self.model.heads

    @property
    def members(self) -> Members | None:
        """Who answers by what was read, where that is not the heads alone."""
        return self.model.members

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

    def read(
        self,
        items: Tensor,
        lengths: Tensor,
        values: Tensor | None = None,
        cache: RowCache | None = None,
        skipped: Tensor | None = None,
    ) -> Tensor:
        """LM outputs at every item of right-padded histories.

        Args:
            items: int64 (B, T).
            lengths: int64 (B,), at least 1.
            values: float32 (B, T), how the items were liked, on :attr:`scale`; NaN where unknown.
            cache: where the keys and values of the items go, if anywhere.
            skipped: bool (B, T), which of them were shown and left; None where all were taken.

        Returns:
            float32 (B, T, H); what stands at padded places means nothing.
        """
        place = self._places(items)
        allowed = trunk_mask(lengths, items.shape[1])
        return self.backend(self.tokens(items, values, skipped), allowed, place, cache=cache)

    def read_branches(
        self,
        items: Tensor,
        lengths: Tensor,
        actions: Tensor,
        parents: Tensor,
        values: Tensor | None = None,
        skipped: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """LM outputs at every item, and at actions tried after some of them, in one pass.

        Args:
            items: int64 (B, T), right-padded.
            lengths: int64 (B,).
            actions: int64 (B, C).
            parents: int64 (B, C), the place in ``items`` after which each action is tried.
            values: float32 (B, T), as for :meth:`read`.
            skipped: bool (B, T), as for :meth:`read`.

        Returns:
            float32 (B, T, H) and (B, C, H).
        """
        width = items.shape[1]
        after = parents + 1 if self.is_ordered else torch.zeros_like(parents)
        positions = torch.cat([self._places(items), after], dim=1)
        read = self.tokens(items, values, skipped)
        embedded = torch.cat([read, self.tables.tokens[actions]], dim=1)
        hidden = self.backend(embedded, branch_mask(lengths, width, parents), positions)
        return hidden[:, :width], hidden[:, width:]

    def states(self, items: Tensor, hidden: Tensor) -> Tensor:
        """Unit states (B, T, D) after every item, from items (B, T) and LM outputs (B, T, H)."""
        return self.heads.states(self.heads.means(self.tables.features[items]), hidden)

    def raw_reward(self, hidden: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """Unbounded rewards (…,) of actions int64 (…,): LM outputs at them, states before them."""
        return self.heads.raw_reward(hidden, states, self.tables.vectors[actions])

    def appeal(self, hidden: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """How much actions draw, in (0, 1): the sigmoid of their normalised :meth:`raw_reward`.

        From it follows whether they are taken, and, where no feedback was learned, how much they
        are liked. Of several members it is the mean.
        """
        return self.appeals(hidden, states, actions).mean(0)

    def appeals(self, hidden: Tensor, states: Tensor, actions: Tensor) -> Tensor:
        """:meth:`appeal` of each member (K, …); of the LE's own head (1, …) where it has none."""
        if self.members is None:
            return self.model.appeal(self.raw_reward(hidden, states, actions))[None]
        reward = self.members.reward
        raw = reward.raw(hidden * self.heads.output_scale, states, self.member_vectors[actions])
        return reward.normalised(raw).movedim(-1, 0)

    @cached_property
    def member_vectors(self) -> Tensor:
        """Where items lie for each member, unit vectors (n_items, K, D)."""
        assert self.members is not None
        return self.members.reward.vectors(self.tables.vectors, self.items)

    @cached_property
    def liking_tables(self) -> LikingTables:
        """What the liking head knows of the items."""
        tables = self._liking_catalogue
        return tables if self.items is None else LikingTables(*(t[self.items] for t in tables))

    @cached_property
    def _liking_catalogue(self) -> LikingTables:
        return self._liking_head.tables(self.model.item_features)

    @property
    def tells_liking(self) -> bool:
        """Whether liking was learned from feedback, apart from taking."""
        return self.heads.liking is not None

    @property
    def _liking_head(self) -> LikingHead:
        assert self.heads.liking is not None
        return self.heads.liking

    def pools(self, items: Tensor, values: Tensor) -> Pools:
        """What the liking head reads of histories (B, T), up to each place."""
        return self._liking_head.pools(self.liking_tables, items, values)

    def feelings(self, pools: Pools) -> Tensor:
        """The users (…, w + r) as the liking head sees them."""
        return self._liking_head.users(pools)

    def liking(self, feelings: Tensor, actions: Tensor) -> Tensor:
        """Expected feedback (…,) in (0, 1) of actions int64 (…,) for :meth:`feelings`.

        Of several members it is the mean.
        """
        return self.likings(feelings, actions).mean(0)

    def likings(self, feelings: Tensor, actions: Tensor) -> Tensor:
        """:meth:`liking` of each member (K, …); of the LE's own head (1, …) where it has none."""
        if self.members is None:
            told = self._liking_head.expected(feelings, self.liking_tables, actions)
            return share_below(told)[None]
        asked, level = self._member_likings
        alone = self._liking_head.alone(feelings)
        told = self._liking_members.expected(feelings, asked[actions], level[actions], alone)
        return share_below(told).movedim(-1, 0)

    @cached_property
    def _member_likings(self) -> tuple[Tensor, Tensor]:
        tables = self._liking_members.tables(self._liking_catalogue)
        return tables if self.items is None else (tables[0][self.items], tables[1][self.items])

    @property
    def _liking_members(self) -> LikingMembers:
        assert self.members is not None
        assert self.members.liking is not None
        return self.members.liking

    def no_pools(self, n: int) -> list[Tensor]:
        """The parts of the pools of N users of whom nothing was read."""
        sizes = self._liking_head.pool_sizes
        return [torch.zeros(n, *size, device=self.device) for size in sizes]

    def extended(self, pools: Pools, items: Tensor) -> Pools:
        """Pools (N,) after one more item int64 (N,), of which nobody knows how it was liked."""
        nothing = torch.full(items.shape, torch.nan, device=items.device)
        more = self._liking_head.terms(self.liking_tables, items, nothing)
        return Pools(*(old + new for old, new in zip(pools, more, strict=True)))

    @property
    def is_ordered(self) -> bool:
        """Whether histories are sequences, and not sets."""
        return self.heads.ordered

    def _places(self, items: Tensor) -> Tensor:
        """Where the LM finds items (B, T) of histories; in a set all at one place."""
        if not self.is_ordered:
            return torch.zeros_like(items)
        return torch.arange(items.shape[1], device=items.device).expand_as(items)

    @property
    def reads_skips(self) -> bool:
        """Whether it learned what a skipped item in a history says."""
        return self.heads.skip_token is not None

    def tokens(
        self, items: Tensor, values: Tensor | None = None, skipped: Tensor | None = None
    ) -> Tensor:
        """What the LM reads at items of a history (B, T, H): which, and what became of them.

        Args:
            items: int64 (B, T).
            values: float32 (B, T), as for :meth:`read`.
            skipped: bool (B, T), as for :meth:`read`.
        """
        tokens = self.tables.tokens[items]
        correction, skip = self.heads.feedback_token, self.heads.skip_token
        if values is not None and correction is not None:
            known = ~values.isnan()
            told = torch.stack([known.float(), values.nan_to_num(0.0)], dim=-1)
            tokens = tokens + correction(told).to(tokens.dtype)
        if skipped is not None and skip is not None:
            tokens = tokens + (skipped[..., None] * skip).to(tokens.dtype)
        return tokens
