"""The actors of SAC and SA2C: next-item prediction that the Q head weighs.

SAC: Xin et al., "Self-Supervised Reinforcement Learning for Recommender Systems" (arXiv
2006.05779). SA2C: Xin et al., "Supervised Advantage Actor-Critic for Recommender Systems" (arXiv
2111.03474). Both learn without weights, as SQN and SNQN do, until the Q head says something
sensible. The phase is a function of the step's number, so a run that is continued switches where
the other would have.

The Q head weighs the logged action only. What the LE proposes is learned as
``lambda * [L_s(a^) + L_q(a^, r^)]`` in both phases: the soft targets carry the LE's own preference,
and a weight by Q(s, a^) would let the critic overrule it where the critic has least to go by.

Validation should choose the pass: without it the training loss does, which the switch changes.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.objectives.base import Batch, Outputs
from agents.objectives.supervised import NextItem

ADVANTAGES = (0.0, 10.0)
"""Smallest and largest advantage."""
PROPENSITY_RATIOS = (0.1, 10.0)
"""Smallest and largest ratio of the policy's and the log's probability of an action."""


@dataclass(frozen=True)
class WeighedNextItem(NextItem):
    """``L_s`` in the warm-up, then ``stop_grad(weight) * L_s`` for each logged action.

    Attributes:
        smoothing: as of :class:`NextItem`.
        warm_up: passes without weights.
    """

    warm_up: float = 2.0

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        if batch.passes < self.warm_up:
            return super().__call__(outputs, batch)
        return (self.weights(outputs, batch).detach() * self.losses(outputs, batch)).mean()

    @abstractmethod
    def weights(self, outputs: Outputs, batch: Batch) -> Tensor:
        """The weight of each logged action, float32 (P,); its gradient is not used."""


@dataclass(frozen=True)
class CriticNextItem(WeighedNextItem):
    """SAC's actor: ``stop_grad(Q(s, a+)) * L_s``. The Q-value is neither clipped nor scaled."""

    def weights(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``Q(s, a+)``, float32 (P,)."""
        return outputs.logged_q[:, 0]


@dataclass(frozen=True)
class AdvantageNextItem(WeighedNextItem):
    """SA2C's actor: ``A * L_s``, or ``A * rho * L_s`` with the propensity factor ``rho``.

    ``A = stop_grad(Q(s, a+) - mean of Q over a+ and the sampled a-)``, clipped to [0, 10].

    ``rho = clip(pi(a+ | s) / beta(a+), 0.1, 10) ^ propensity`` corrects for the policy that made
    the log: ``pi`` is the softmax of the supervised logits without gradient, and ``beta`` the
    item's share of all interactions of the log. The power smooths: 1 is the full correction, 0
    none. As the authors' code does, the ratio is clipped first and smoothed then.

    Attributes:
        propensity: the power, in [0, 1].
    """

    propensity: float = 0.0

    def weights(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``A`` or ``A * rho``, float32 (P,)."""
        # With gradients, which the caller stops: the critic's own terms read the same outputs.
        taken = outputs.logged_q[:, :1]
        mean = torch.cat([taken, outputs.negative_q], dim=1).mean(dim=1)
        advantages = (taken[:, 0] - mean).clamp(*ADVANTAGES)
        if not self.propensity:
            return advantages
        policy = outputs.log_probabilities(batch.actions[:, None])[:, 0].exp()
        ratio = policy / batch.facts.share[batch.actions]
        return advantages * ratio.clamp(*PROPENSITY_RATIOS) ** self.propensity
