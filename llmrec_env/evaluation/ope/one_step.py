"""``OneStepSums``: one-step estimates of a policy, from sums of each logged user.

Every step of a log stands alone: what would a policy earn at the steps that the logging policy led
to? That is no return, but weights do not multiply over an episode, and policies are often in the
same order. With the weight ``w = pi(a | h) / pi_0(a | h)`` of a step and a model's value q::

    SN-IS    sum of w r / sum of w
    SN-DR    mean of q(h, pi) + sum of w (r - q(h, a)) / sum of w
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import Float64Array, IntArray


@dataclass(frozen=True, eq=False)
class OneStepSums:
    """Sums over the steps of each logged user, float64 (n_users,) each.

    Attributes:
        steps: how many.
        weights: of w.
        paid: of w times the reward; for SN-DR of the reward less the model's value of the action.
        expected: of the model's value of what the policy would show; 0 for SN-IS.
    """

    steps: Float64Array
    weights: Float64Array
    paid: Float64Array
    expected: Float64Array

    @classmethod
    def of(
        cls,
        owners: IntArray,
        ratios: Float64Array,
        rewards: Float64Array,
        logged_value: Float64Array | None = None,
        policy_value: Float64Array | None = None,
    ) -> OneStepSums:
        """Add up the steps of a log.

        Args:
            owners: int64 (n_steps,), the user of each step, from 0 on.
            ratios: float64 (n_steps,), w.
            rewards: float64 (n_steps,).
            logged_value: float64 (n_steps,), what a model says of the logged action; None: SN-IS.
            policy_value: float64 (n_steps,), what it says of the policy's choice.
        """
        nothing = np.zeros(len(rewards))
        value = nothing if logged_value is None else logged_value
        beside = nothing if policy_value is None else policy_value
        parts = (np.ones(len(rewards)), ratios, ratios * (rewards - value), beside)
        return cls(*(np.bincount(owners, part).astype(np.float64) for part in parts))

    def values(self, counts: Float64Array) -> Float64Array:
        """The estimate for how often each user counts, (B, n_users), float64 (B,).

        NaN where all weights are 0.
        """
        weights = counts @ self.weights
        told = np.divide(
            counts @ self.paid, weights, out=np.full(len(counts), np.nan), where=weights > 0
        )
        result: Float64Array = told + counts @ self.expected / (counts @ self.steps)
        return result
