"""Baselines of the offline benchmark: random items, popular items, the LE's own ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.policies import Policy, PopularPolicy, PreferencePolicy, RandomPolicy
from llmrec_env.evaluation.ranking import Popularity, Ranker, SimulatorRanker
from llmrec_env.users.base import UserSimulator


class Agent(NamedTuple):
    """Who recommends: in episodes, and as a ranker of held-out steps."""

    policy: Policy
    ranker: Ranker


class Baseline(NamedTuple):
    """One who needs no learning."""

    label: str
    is_drawn: bool
    """Whether it depends on a seed."""
    make: Callable[[InteractionLog, UserSimulator, int], Agent]
    """From the training log, the simulated user and a seed."""


class RandomRanker:
    """Ranks all items by chance."""

    def __init__(self, n_items: int, seed: int = 0) -> None:
        self._n_items = n_items
        self._generator = np.random.default_rng(seed)

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Uniform scores, float32 (sum(len_i - 1), n_items)."""
        n_steps = sum(len(sequence) - 1 for sequence in sequences)
        return self._generator.random((n_steps, self._n_items), dtype=np.float32)


def _random(train: InteractionLog, simulator: UserSimulator, seed: int) -> Agent:
    return Agent(RandomPolicy(seed), RandomRanker(train.n_items, seed))


def _popular(train: InteractionLog, simulator: UserSimulator, seed: int) -> Agent:
    return Agent(PopularPolicy(train), Popularity(train))


def _language(train: InteractionLog, simulator: UserSimulator, seed: int) -> Agent:
    return Agent(PreferencePolicy(simulator), SimulatorRanker(simulator))


BASELINES = {
    "random": Baseline("random", True, _random),
    "popularity": Baseline("popularity", False, _popular),
    "language": Baseline("the LE's own actions", False, _language),
}
