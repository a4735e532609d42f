"""The heads of an LE: small trainable layers for state, item vectors and reward.

Each begins as what needs no learning (a recency-weighted mean of item features, and the cosine
between state and item) plus a language-model correction that begins at zero, so that a few users
are enough to improve on it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from llmrec_env.language.item_words import ItemWords
from llmrec_env.language.liking import LikingHead

LONG_DECAY = 0.95
"""What each step back counts at first in the mean of long memory."""


class Heads(nn.Module):
    """State, item and reward heads of the LE.

    With fixed unit features ``p_i`` and tf-idf weighted words ``b_i`` of an item, LM outputs ``h``
    times ``output_scale``, and ``m_t`` and ``l_t`` means of the read items' features with weights
    ``g^(t-i)`` and ``c^(t-i)``, where c begins near 1::

        feature  f_i = norm(p_i + U b_i + q_i)          U = 0, q = 0 at first; q only with item ids
        token    x_i = e_i + P f_i                      P = 0 at first
        state    s_t = norm(A m_t + L l_t + W h_t)      A = I, L = 0 and W = 0 at first
        item     v_j = norm(B f_j + C gelu(D f_j))      B = I and C = 0 at first
        action   logits_j = cos(s_t, v_j) / tau
        raw reward   r(x_1:t, a) = u' h([x_1:t, a]) + c' v_a + b cos(s_t, v_a)    u, c = 0 at first

    Where items have ids, learning lets q and L, or A, begin at what users share instead, see
    :mod:`llmrec_env.language.shared_taste`.

    One mean alone says what a user likes by what they took lately, so that more of the same can
    only draw more. Beside it the mean of long memory, L, tells what they like in the long run, and
    A what the last items did to that: they may have had enough of it.

    Where the log tells feedback, the token of a history's item says how it was liked, by
    ``G (1, z_i)`` with G = 0 at first, and :class:`LikingHead` answers how an item is liked. Where
    skipped items are read, the token of one has a vector ``k`` added to it, k = 0 at first; it
    counts in no mean.
    """

    def __init__(
        self,
        hidden_size: int,
        state_size: int,
        words: int = 0,
        ids: int = 0,
        decay: float = 0.6,
        output_scale: float = 1.0,
        liking: LikingHead | None = None,
        ordered: bool = True,
        id_dropout: float = 0.0,
        skips: bool = False,
        long_run: bool = False,
    ) -> None:
        super().__init__()
        self.liking, self.id_dropout = liking, id_dropout
        self.skip_token = nn.Parameter(torch.zeros(hidden_size)) if skips else None
        self.feedback_token = nn.Linear(2, hidden_size, bias=False) if liking is not None else None
        self.output_scale, self.ordered = output_scale, ordered
        self.word_correction = nn.Parameter(torch.zeros(words, state_size))
        self.id_correction = nn.Parameter(torch.zeros(ids, state_size)) if ids else None
        self.token_correction = nn.Linear(state_size, hidden_size, bias=False)
        self.decay_logit = nn.Parameter(torch.tensor(_log_odds(decay)))
        self.long_run = long_run and ordered
        if self.long_run:
            self.long_decay_logit = nn.Parameter(torch.tensor(_log_odds(LONG_DECAY)))
            self.long_map = nn.Parameter(torch.zeros(state_size, state_size))
        self.state_map = nn.Linear(state_size, state_size, bias=False)
        self.state_correction = nn.Linear(hidden_size, state_size, bias=False)
        self.item_map = nn.Linear(state_size, state_size, bias=False)
        self.item_inner = nn.Linear(state_size, state_size)
        self.item_correction = nn.Linear(state_size, state_size, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.score = nn.Linear(hidden_size, 1)
        self.item_score = nn.Linear(state_size, 1, bias=False)
        self.cosine_weight = nn.Parameter(torch.tensor(5.0))
        nn.init.eye_(self.state_map.weight)
        nn.init.eye_(self.item_map.weight)
        corrections = (self.token_correction, self.state_correction, self.item_correction)
        for layer in (*corrections, self.score, self.item_score):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.score.bias)
        if self.feedback_token is not None:
            nn.init.zeros_(self.feedback_token.weight)

    def keep_items(self, kept: int, more: int) -> None:
        """Keep what was learned of the first items alone, and let others follow them, unknown.

        Whatever is a number of an item's own is zero for these: they are known by their texts.

        Args:
            kept: how many stay.
            more: how many follow.
        """
        if self.id_correction is not None:
            self.id_correction = followed(self.id_correction, kept, more)
        if self.liking is not None:
            self.liking.n_items = kept + more
            if len(self.liking.own):
                self.liking.own = followed(self.liking.own, kept, more)
            posterior = self.liking.posterior
            posterior.axes = _rows_followed(posterior.axes, kept, more)

    @property
    def decays(self) -> Tensor:
        """The weights in (0, 1) by which each step back counts less, (M,): ``g``, and ``c`` where
        there is a mean of long memory; 1 where there is no order."""
        if not self.ordered:
            return torch.ones_like(self.decay_logit)[None]
        logits = (self.decay_logit, self.long_decay_logit) if self.long_run else (self.decay_logit,)
        return torch.sigmoid(torch.stack(logits))

    def features(self, given: Tensor, words: ItemWords, items: Tensor | None = None) -> Tensor:
        """Unit features (M, D) of some items from the fixed ones, their words and their numbers.

        Args:
            given: (M, D), the fixed features.
            words: of the items.
            items: int64 (M,), their numbers in the catalogue; None where they are all of it.

        While it learns, some items are known by their text alone, so that text carries those that
        nobody has taken yet.
        """
        raw = given
        if len(self.word_correction):
            raw = raw + nn.functional.embedding_bag(
                words.ids,
                self.word_correction,
                words.offsets,
                mode="sum",
                per_sample_weights=words.weights,
            )
        if self.id_correction is not None:
            own = self.id_correction if items is None else self.id_correction[items]
            if self.training and self.id_dropout:
                own = own * (torch.rand(len(own), 1, device=own.device) >= self.id_dropout)
            raw = raw + own
        return given if raw is given else nn.functional.normalize(raw, dim=-1)

    def means(self, features: Tensor) -> Tensor:
        """Recency-weighted means (B, T, M, D) of the features (B, T, D) up to each place, one for
        each of :attr:`decays`.
        """
        means = []
        for decay in self.decays:
            weights = recency_weights(features.shape[1], decay, features.device)
            means.append((weights @ features) / weights.sum(-1)[:, None])
        return torch.stack(means, dim=-2)

    def kept_shares(self, counts: Tensor) -> Tensor:
        """Weights (…, M) that means of ``counts`` (…,) items keep when one more is taken in."""
        counts = counts[..., None]
        if not self.ordered:
            return counts / (counts + 1)
        decay = self.decays
        past = decay * (1 - decay**counts) / (1 - decay)
        return past / (past + 1)

    def extend_means(self, means: Tensor, kept_shares: Tensor, features: Tensor) -> Tensor:
        """Means (…, M, D) after one more item, whose features (…, D) are given, from those before
        it."""
        return torch.lerp(features[..., None, :], means, kept_shares[..., None])

    def states(self, means: Tensor, hidden: Tensor) -> Tensor:
        """Unit states (…, D) from means (…, M, D) and LM outputs (…, H)."""
        raw = self.state_map(means[..., 0, :]) + self.state_correction(hidden * self.output_scale)
        if self.long_run:
            raw = raw + means[..., 1, :] @ self.long_map.T
        return nn.functional.normalize(raw, dim=-1)

    def items(self, features: Tensor) -> Tensor:
        """Unit item vectors (n_items, D) from item features (n_items, D)."""
        correction = self.item_correction(nn.functional.gelu(self.item_inner(features)))
        return nn.functional.normalize(self.item_map(features) + correction, dim=-1)

    def logits(self, states: Tensor, vectors: Tensor) -> Tensor:
        """Action-model logits (…, n_items): cosine over the learned temperature."""
        return (states @ vectors.T) * self.log_scale.exp()

    def raw_reward(self, hidden: Tensor, states: Tensor, vectors: Tensor) -> Tensor:
        """Unbounded scores (…,): LM output at the action, state before it, and its vector."""
        score = self.score(hidden * self.output_scale) + self.item_score(vectors)
        return score[..., 0] + self.cosine_weight * (states * vectors).sum(-1)


def recency_weights(
    places: int, decay: Tensor | float, device: torch.device | None = None
) -> Tensor:
    """How much each place counts in the mean up to each, float32 (places, places): ``decay`` to the
    power of how far back it lies, 0 where it comes later."""
    place = torch.arange(places, device=device)
    back = (place[:, None] - place[None, :]).clamp(min=0)
    return torch.tril(decay**back)


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def followed(own: nn.Parameter, kept: int, more: int) -> nn.Parameter:
    """The first rows of numbers of items, and as many rows of zeros as more items follow."""
    rows = _rows_followed(own.detach(), kept, more)
    return nn.Parameter(rows, requires_grad=own.requires_grad)


def _rows_followed(own: Tensor, kept: int, more: int) -> Tensor:
    return torch.cat([own[:kept], own.new_zeros(more, *own.shape[1:])])
