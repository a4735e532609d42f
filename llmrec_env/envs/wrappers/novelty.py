"""``NoveltyReward``: rare items that the user likes pay more."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray, read_only
from llmrec_env.common.checks import check_number
from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes
from llmrec_env.envs.wrappers.shaping import (
    Outcome,
    RewardTerm,
    ShapedReward,
    VectorShapedReward,
    rules_of,
)


class Novelty(RewardTerm):
    """``"novelty"``: the weight times an item's novelty times what the step was paid."""

    names = ("novelty",)

    def __init__(
        self, rules: UsersInEpisodes[Any], weight: float, log: InteractionLog | None
    ) -> None:
        self.weight = check_number("weight", weight)
        assert rules.simulator.users is not None
        log = rules.simulator.users if log is None else log
        if not isinstance(log, InteractionLog):
            raise DataError(f"log must be an InteractionLog, got {type(log).__name__}")
        check_same_catalogue(rules.simulator.catalogue, log.catalogue, "log, for novelty")
        self._novelty = read_only(novelty_of(log))

    def begin(self, rows: IntArray) -> None:
        """Nothing is remembered."""

    def pay(self, outcome: Outcome, playing: BoolArray) -> dict[str, NDArray[Any]]:
        """More for items that few took."""
        paid = np.where(playing, outcome.reward, 0.0)
        return {"novelty": self.weight * self._novelty[outcome.items] * paid}


def novelty_of(log: InteractionLog) -> Float64Array:
    """How rare each item is in a log, float64 (n_items,): 0 for the most popular, 1 for the rarest.

    It is the self-information of being taken, ``-log2 p`` with one interaction more for each item,
    scaled to [0, 1]; 0 where all are alike.
    """
    counts = np.bincount(log.items, minlength=log.n_items) + 1
    bits = -np.log2(counts / counts.sum())
    span = bits.max() - bits.min()
    novelty: Float64Array = (bits - bits.min()) / (span if span > 0.0 else 1.0)
    return novelty


class NoveltyReward(ShapedReward):
    """Adds ``weight`` × novelty × reward: rare items pay more, as far as the user likes them.

    An item's novelty is the self-information of its popularity, scaled to [0, 1]: 0 for the most
    popular item, 1 for the rarest. It counts in proportion to what the step was paid, as relevance
    does in measures of novelty (Vargas and Castells, Rank and relevance in novelty and diversity
    metrics, RecSys 2011), so that showing rare items to a user who does not care pays nothing, and
    a seen item neither. What is added stands in ``info["rewards"]["novelty"]``, the reward without
    it in ``info["original_reward"]``.

    Args:
        env: an environment such as ``LLMRec/NextItem-v1``.
        weight: by how much the reward of the rarest item is larger, as a share of it.
        log: tells what is popular; where None, the users from whom episodes start do.

    Raises:
        SettingError: the weight is no finite number, or the environment is another.
        DataError: the log is of another catalogue.
    """

    def __init__(
        self, env: gym.Env[Any, Any], weight: float = 0.5, log: InteractionLog | None = None
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, weight=weight, log=log
        )
        super().__init__(env, Novelty(rules_of(env), weight, log))


class VectorNoveltyReward(VectorShapedReward):
    """:class:`NoveltyReward` for a batched environment."""

    def __init__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        weight: float = 0.5,
        log: InteractionLog | None = None,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, weight=weight, log=log
        )
        super().__init__(env, Novelty(rules_of(env), weight, log))
