"""SA2C: SNQN whose supervised loss is weighted by the advantage of the logged action."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from agents.objectives.actor_critic import WeighedNextItem
from agents.objectives.base import Batch, Outputs
from agents.objectives.snqn import SNQNConfig
from agents.objectives.supervised import NextItem
from agents.settings import check_not_negative, check_share

ADVANTAGES = (0.0, 10.0)
"""Smallest and largest advantage."""
PROPENSITY_RATIOS = (0.1, 10.0)
"""Smallest and largest ratio of the policy's and the log's probability of an action."""


@dataclass(frozen=True)
class AdvantageNextItem(WeighedNextItem):
    """SA2C's actor: ``A * L_s``, or ``A * rho * L_s`` with the propensity factor ``rho``.

    ``A = stop_grad(Q(s, a+) - mean of Q over a+ and the sampled a-)``, clipped to [0, 10].

    ``rho = clip(pi(a+ | s) / beta(a+), 0.1, 10) ^ propensity`` corrects for the policy that made
    the log: ``pi`` is the softmax of the supervised logits without gradient, and ``beta`` the
    item's share of all interactions of the log. The power smooths: 1 is the full correction, 0
    none. As in the authors' code the ratio is clipped first and smoothed then.

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


@dataclass(frozen=True, kw_only=True)
class SA2CConfig(SNQNConfig):
    """A warm-up as SNQN, then ``A * L_s`` with SNQN's Q-learning terms.

    Xin et al., "Supervised Advantage Actor-Critic for Recommender Systems" (arXiv 2111.03474).
    """

    name: ClassVar[str] = "sa2c"
    title: ClassVar[str] = "SA2C"

    warm_up: float = 2.0
    """Passes (a fraction: steps) in which it learns as SNQN; published as 15,000 steps of 256.
    Below ``patience``, or learning may stop before the switch."""
    propensity: float = 0.0
    """Power in [0, 1] of the inverse-propensity factor; 0 does without."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative(self, "warm_up")
        check_share(self, "propensity")

    def actor(self) -> NextItem:
        """The weighed term of the supervised head."""
        return AdvantageNextItem(self.label_smoothing, self.warm_up, self.propensity)
