"""``RetentionReward``: pays for each step that the user stays, and takes off when they leave."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.checks import check_number
from llmrec_env.envs.wrappers.shaping import (
    Outcome,
    RewardTerm,
    ShapedReward,
    VectorShapedReward,
    rules_of,
)


class Retention(RewardTerm):
    """``"stay"``: paid for each step after which the user is still there; ``"leave"``: taken off
    when they leave, out of patience. Who has seen every item, or is cut off by the time limit, has
    not left."""

    names = ("stay", "leave")

    def __init__(self, stay: float, leave: float) -> None:
        self.stay = check_number("stay", stay)
        self.leave = check_number("leave", leave)

    def begin(self, rows: IntArray) -> None:
        """Nothing is remembered."""

    def pay(self, outcome: Outcome, playing: BoolArray) -> dict[str, NDArray[Any]]:
        """By whether the user has left."""
        left = outcome.terminated & ~outcome.accepted
        return {"stay": self.stay * (playing & ~left), "leave": -self.leave * (playing & left)}


class RetentionReward(ShapedReward):
    """Pays ``stay`` for each step that the user stays and takes off ``leave`` when they leave.

    A user leaves out of patience. One who has seen every item or is cut off by the time limit stays
    until then. What is added stands in ``info["rewards"]`` as ``"stay"`` and ``"leave"``, the
    reward without it in ``info["original_reward"]``.

    Args:
        env: an environment such as ``LLMRec/NextItem-v1``.
        stay: paid a step; for comparison, a step's own reward lies in [0, 1].
        leave: taken off once.

    Raises:
        SettingError: a weight is no finite number, or the environment is another.
    """

    def __init__(self, env: gym.Env[Any, Any], stay: float = 0.0, leave: float = 1.0) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, stay=stay, leave=leave)
        rules_of(env)
        super().__init__(env, Retention(stay, leave))


class VectorRetentionReward(VectorShapedReward):
    """:class:`RetentionReward` for a batched environment."""

    def __init__(
        self, env: gym.vector.VectorEnv[Any, Any, Any], stay: float = 0.0, leave: float = 1.0
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, stay=stay, leave=leave)
        rules_of(env)
        super().__init__(env, Retention(stay, leave))
