"""``SoftmaxPolicy`` and ``EpsilonGreedy``: policies that choose by chance, and say how likely.

Whoever logs what a policy shows needs the probability of each action (its propensity), and so does
whoever asks what another policy would have earned (:mod:`llmrec_env.evaluation.ope`). A greedy
policy shows one item and nothing else, so its log says nothing of any other.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.common.checks import check_number
from llmrec_env.common.errors import SettingError
from llmrec_env.envs.next_item.observations import Observation
from llmrec_env.evaluation.policies import Policy, RandomPolicy, allowed_scores

CHECKS = ("check_catalogue", "check_observations")
"""What an evaluation asks of a policy where it has it, before the first episode."""


@runtime_checkable
class StochasticPolicy(Protocol):
    """Anything that gives every item a probability, for a batch of observations."""

    def action_probabilities(self, observation: Observation, allowed: BoolArray) -> Float64Array:
        """Float64 (N, n_items): each row sums to 1, and is 0 where ``allowed`` is false."""
        ...


class UniformPolicy:
    """Shows any allowed item, all with one probability."""

    name = "random"
    observation = "state"

    def action_probabilities(self, observation: Observation, allowed: BoolArray) -> Float64Array:
        """Float64 (N, n_items), as :class:`StochasticPolicy` says."""
        shares: Float64Array = allowed / allowed.sum(axis=1, keepdims=True)
        return shares


class _FromScores:
    """A stochastic policy made of another policy's scores, which it also gives."""

    def __init__(self, policy: Policy) -> None:
        _check_scores(policy)
        self.policy = policy
        for name in ("observation", "history_length", *CHECKS):
            if hasattr(policy, name):
                setattr(self, name, getattr(policy, name))

    def begin(self, n_items: int) -> None:
        """Begin an evaluation, as the policy inside does."""
        if hasattr(self.policy, "begin"):
            self.policy.begin(n_items)

    def action_scores(self, observation: Observation) -> FloatArray:
        """The scores of the policy inside, float32 (N, n_items)."""
        return self.policy.action_scores(observation)


class SoftmaxPolicy(_FromScores):
    """Shows an allowed item with probability proportional to ``exp(score / temperature)``.

    Args:
        policy: who scores.
        temperature: above 0, in the unit of the scores: the smaller, the greedier.

    Raises:
        SettingError: the temperature is not above 0.
    """

    def __init__(self, policy: Policy, temperature: float = 1.0) -> None:
        super().__init__(policy)
        self.temperature = check_number("temperature", temperature, 0.0)
        if self.temperature == 0.0:
            raise SettingError("temperature must be above 0; EpsilonGreedy(policy, 0) is greedy")

    def action_probabilities(self, observation: Observation, allowed: BoolArray) -> Float64Array:
        """Float64 (N, n_items), as :class:`StochasticPolicy` says."""
        scores = allowed_scores(self.policy, observation, allowed).astype(np.float64)
        scores -= scores.max(axis=1, keepdims=True)
        shares: Float64Array = np.exp(scores / self.temperature)
        return shares / shares.sum(axis=1, keepdims=True)


class EpsilonGreedy(_FromScores):
    """Shows the best-scored allowed item, and with probability ``epsilon`` any allowed one.

    Args:
        policy: who scores.
        epsilon: in [0, 1]; 0 is greedy, 1 uniform.

    Raises:
        SettingError: epsilon lies outside [0, 1].
    """

    def __init__(self, policy: Policy, epsilon: float = 0.1) -> None:
        super().__init__(policy)
        self.epsilon = check_number("epsilon", epsilon, 0.0)
        if self.epsilon > 1.0:
            raise SettingError(f"epsilon must lie in [0, 1], got {epsilon}")

    def action_probabilities(self, observation: Observation, allowed: BoolArray) -> Float64Array:
        """Float64 (N, n_items), as :class:`StochasticPolicy` says."""
        best = allowed_scores(self.policy, observation, allowed).argmax(axis=1)
        shares: Float64Array = self.epsilon * allowed / allowed.sum(axis=1, keepdims=True)
        shares[np.arange(len(best)), best] += 1.0 - self.epsilon
        return shares


def stochastic(policy: Any) -> StochasticPolicy:
    """A policy that says its probabilities: itself, or the greedy choice by its scores.

    Args:
        policy: a :class:`StochasticPolicy`, or whatever scores items.

    Raises:
        SettingError: nobody can say how probable what it shows is.
    """
    if isinstance(policy, StochasticPolicy):
        return policy
    return UniformPolicy() if isinstance(policy, RandomPolicy) else EpsilonGreedy(policy, 0.0)


def _check_scores(policy: Any) -> None:
    """Refuse a policy whose scores do not say how probable what it shows is."""
    if isinstance(policy, RandomPolicy):
        raise SettingError(
            "RandomPolicy draws its scores, so they do not say how probable an item is; "
            "UniformPolicy() shows the same and says it"
        )
    if not hasattr(policy, "action_scores"):
        raise SettingError(
            f"{type(policy).__name__} has no propensities: it neither says how probable its "
            "actions are (action_probabilities) nor scores all items (action_scores); wrap a model "
            "of stable-baselines3 in SB3Policy, one of d3rlpy in D3rlpyPolicy"
        )


def draw_actions(probabilities: Float64Array, uniform: Float64Array) -> IntArray:
    """One action a row, by the inverse of the distribution function.

    Args:
        probabilities: float64 (N, n_items), rows that sum to 1.
        uniform: float64 (N,) in [0, 1), the luck.

    Returns:
        int64 (N,), each of a probability above 0.
    """
    reached = probabilities.cumsum(axis=1)
    beyond = reached > uniform[:, None] * reached[:, -1:]
    actions: IntArray = beyond.argmax(axis=1)
    return actions
