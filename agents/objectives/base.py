"""The interface of loss terms: the batch, the network's outputs, and ``LossTerm`` itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from agents.backbones.base import Reading
from agents.network import Network


@dataclass(frozen=True, eq=False)
class Augmentation:
    """Proposed actions at P states.

    Attributes:
        actions: int64 (P, K), best first.
        weights: float32 (P, K), soft targets; a row sums to 1, or to 0 where nothing was proposed.
        rewards: float32 (P,), of the best action.
        language: float32 (P, state_size), the simulator's state had the user taken the best action.
    """

    actions: Tensor
    weights: Tensor
    rewards: Tensor
    language: Tensor | None = None

    @property
    def proposed(self) -> Tensor:
        """float32 (P,), 1 where anything was proposed."""
        return (self.weights.sum(dim=1) > 0).float()


@dataclass(frozen=True, eq=False)
class LogFacts:
    """What is known of the training log as a whole, the same in every batch.

    Attributes:
        share: float32 (n_items,), each item's share of all interactions.
        rank: int64 (n_items,), 0 for the item with most interactions.
        longest: most items that any logged action has before it.
        vectors: float32 (n_items, d), given vectors of the items, or None.
    """

    share: Tensor
    rank: Tensor
    longest: int
    vectors: Tensor | None = None

    @classmethod
    def of(cls, counts: Tensor, longest: int, vectors: Tensor | None = None) -> LogFacts:
        """From the number of interactions of each item, int64 (n_items,)."""
        order = counts.argsort(descending=True, stable=True)
        return cls(counts / counts.sum(), order.argsort(), longest, vectors)

    def to(self, device: torch.device) -> LogFacts:
        """The same on a device."""
        vectors = None if self.vectors is None else self.vectors.to(device)
        return replace(
            self, share=self.share.to(device), rank=self.rank.to(device), vectors=vectors
        )


@dataclass(frozen=True, eq=False)
class Batch:
    """P logged steps (state, action, reward, next state).

    Attributes:
        items: int64 (B, T), windows of items, padded on the right.
        owned: bool (B, T), the P states that count; the logged action is the item after each.
        actions: int64 (P,), the logged actions.
        rewards: float32 (P,).
        terminal: float32 (P,), 1 where the action is its user's last.
        negatives: int64 (P, J), items that the user never saw; J = 0 where no term needs them.
        items_before: int64 (P,), how many items the user took before the logged action.
        items_after: int64 (P,), how many after it.
        facts: of the whole log.
        language: float32 (P, state_size), the simulator's states; state_size 0 where none are read.
        next_language: float32 (P, state_size), the same after the logged actions.
        augmentation: proposed actions, where learning is augmented.
        passes: passes over the log that each copy has made before this batch, with fractions.
    """

    items: Tensor
    owned: Tensor
    actions: Tensor
    rewards: Tensor
    terminal: Tensor
    negatives: Tensor
    items_before: Tensor
    items_after: Tensor
    facts: LogFacts
    language: Tensor | None = None
    next_language: Tensor | None = None
    augmentation: Augmentation | None = None
    passes: float = 0.0


class Outputs:
    """What the learning network says about a batch; each part is computed when a term asks for it.

    Values that targets bootstrap on are double-Q values (van Hasselt et al., arXiv 1509.06461):
    ``Q'(s, argmax_b Q(s, b))``, the action chosen by the ``learner`` and valued by the ``target``,
    which stands still, without dropout or gradient.
    """

    def __init__(self, learner: Network, target: Network, batch: Batch) -> None:
        self.learner = learner
        self.target = target
        self.batch = batch

    @cached_property
    def states(self) -> Tensor:
        """The states that heads read, float32 (P, dim)."""
        return self.learner.fuse(self._reading.states[self.batch.owned], self.batch.language)

    @cached_property
    def logits(self) -> Tensor:
        """Supervised logits at the states, float32 (P, n_items); see :meth:`log_probabilities`."""
        return self.learner.logits(self.states)

    @cached_property
    def log_normaliser(self) -> Tensor:
        """``log sum_a exp f(s)[a]`` over all items with gradient, float32 (P,)."""
        return self.learner.log_normaliser(self.states)

    def log_probabilities(self, actions: Tensor) -> Tensor:
        """``log softmax(f(s))[a]`` with gradient: int64 (P, J) in, float32 (P, J) out.

        What several terms ask for shares one pass over the catalogue, and :attr:`logits` is none.
        """
        return self.learner.logits_of(self.states, actions) - self.log_normaliser[:, None]

    @cached_property
    def mean_log_probability(self) -> Tensor:
        """The mean of ``log softmax(f(s))`` over all items with gradient, float32 (P,)."""
        return self.learner.mean_logit(self.states) - self.log_normaliser

    def head(self, name: str, outputs: Tensor | None = None) -> Tensor:
        """A further head that the framework declares, at the states.

        Args:
            name: of the head.
            outputs: int64 (P, J), which of its outputs; None: all.

        Returns:
            float32 (P, J), or (P, size of the head).
        """
        return self.learner.read_head(name, self.states, outputs)

    def q_values(self, actions: Tensor) -> Tensor:
        """Q(s, a) of the first Q head with gradient: int64 (P, J) in, float32 (P, J) out."""
        return self.learner.q_of(self.states, self.batch.language, actions)

    @cached_property
    def logged_q(self) -> Tensor:
        """Q(s, a+) of every Q head with gradient, float32 (P, q_heads)."""
        return self.learner.q_of_heads(self.states, self.batch.language, self.batch.actions)

    @cached_property
    def negative_q(self) -> Tensor:
        """Q(s, a-) of the first Q head with gradient, float32 (P, J)."""
        return self.q_values(self.batch.negatives)

    @property
    def value(self) -> Tensor:
        """The value of the states, float32 (P,), no gradient."""
        return self._values[self.batch.owned][:, 0]

    @cached_property
    def next_values(self) -> Tensor:
        """The value of the states after the logged actions by every Q head, no gradient.

        float32 (P, q_heads); 0 after a user's last action.
        """
        return self._values[self._after]

    @property
    def next_value(self) -> Tensor:
        """The same by the first Q head, float32 (P,)."""
        return self.next_values[:, 0]

    @cached_property
    def augmented_next_value(self) -> Tensor:
        """The value of the states after the best proposed actions, float32 (P,), no gradient."""
        augmentation = self.batch.augmentation
        assert augmentation is not None, "no actions were proposed"
        appended = self.batch.items.clone()
        appended[self.batch.owned] = augmentation.actions[:, 0]
        readings = self._reading, self._target_reading  # not below, where gradients stop
        with torch.no_grad():
            learner, target = (
                network.encoder.extend(reading, appended)[self.batch.owned]
                for network, reading in zip((self.learner, self.target), readings, strict=True)
            )
        return self._double_q(learner, target, augmentation.language)[:, 0]

    @cached_property
    def _after(self) -> Tensor:
        """bool (B, T), the places of the states after the logged actions."""
        return self.batch.owned.roll(1, dims=1)

    @cached_property
    def _values(self) -> Tensor:
        """float32 (B, T, q_heads); most states are also the next of the one before: valued once."""
        batch = self.batch
        goes_on = batch.terminal == 0
        last = self._after.clone()
        last[self._after] = goes_on
        last &= ~batch.owned
        next_language = batch.next_language
        if next_language is not None:
            next_language = next_language[last[self._after]]
        states = self._target_reading.states
        values = states.new_zeros(*states.shape[:2], len(self.learner.q_weights))
        for places, language in ((batch.owned, batch.language), (last, next_language)):
            values[places] = self._double_q(self._reading.states[places], states[places], language)
        return values

    @cached_property
    def _reading(self) -> Reading:
        return self.learner.encoder.read(self.batch.items)

    @cached_property
    def _target_reading(self) -> Reading:
        with torch.no_grad():
            return self.target.encoder.read(self.batch.items)

    @torch.no_grad()
    def _double_q(self, learner: Tensor, target: Tensor, language: Tensor | None) -> Tensor:
        """float32 (N, q_heads): one action for all heads, the best by their weighted sum."""
        best = self.learner.best_by_q(self.learner.fuse(learner, language), language)
        return self.target.q_of_heads(self.target.fuse(target, language), language, best)


class LossTerm(ABC):
    """One summand of the loss. The trainer adds up whatever terms the framework names."""

    name: str
    """What the term is called in progress bars and histories."""

    @abstractmethod
    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The term's mean over the P logged steps, a scalar."""


def half_squared_error(q: Tensor, target: Tensor) -> Tensor:
    """``1/2 (target - q)^2`` elementwise; no gradient flows into the target."""
    return 0.5 * (target.detach() - q) ** 2
