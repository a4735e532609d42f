"""``DiversityReward``: items unlike those of the session pay more, as far as they are liked."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray, read_only
from llmrec_env.common.checks import check_counts, check_number
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes
from llmrec_env.envs.wrappers.shaping import (
    Outcome,
    RewardTerm,
    ShapedReward,
    VectorShapedReward,
    looked_at,
    rules_of,
)
from llmrec_env.users.item_space import item_space_of

AMONG = ("shown", "taken")


class Diversity(RewardTerm):
    """``"diversity"``: the weight times the distance to the session times what was paid."""

    names = ("diversity",)

    def __init__(self, rules: UsersInEpisodes[Any], weight: float, window: int, among: str) -> None:
        self.weight = check_number("weight", weight)
        check_counts(window=window)
        self._among = check_name("among", among, AMONG)
        self._directions = _directions(item_space_of(rules.simulator).points)
        self._nothing = rules.n_items
        self._session = np.full((rules.num_rows, window), self._nothing, dtype=np.int64)

    def begin(self, rows: IntArray) -> None:
        """A new session begins empty."""
        self._session[rows] = self._nothing

    def pay(self, outcome: Outcome, playing: BoolArray) -> dict[str, NDArray[Any]]:
        """More for items that lie apart from those of the session; then they are part of it."""
        paid = np.where(playing, outcome.reward, 0.0)
        pays = {"diversity": self.weight * self._distances(outcome.items) * paid}
        joins = playing & (outcome.accepted if self._among == "taken" else looked_at(outcome))
        self._session[joins, :-1] = self._session[joins, 1:]
        self._session[joins, -1] = outcome.items[joins]
        return pays

    def _distances(self, items: IntArray) -> Float64Array:
        """The mean of (1 - cosine) / 2 to the items of the session, (N,); 0 where there is none."""
        known = self._session != self._nothing
        others = self._directions[self._session]
        cosines = (others * self._directions[items][:, None, :]).sum(axis=2)
        apart = np.where(known, (1.0 - cosines) / 2.0, 0.0)
        distances: Float64Array = apart.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return distances


def _directions(points: FloatArray) -> Float64Array:
    """Points as unit vectors, float64 (n_items + 1, d); zeros where nothing is."""
    longer = np.zeros((len(points) + 1, points.shape[1]))
    longer[:-1] = points
    lengths = np.linalg.norm(longer, axis=1, keepdims=True)
    return read_only(longer / np.where(lengths > 0.0, lengths, 1.0))


class DiversityReward(ShapedReward):
    """Adds ``weight`` × distance × reward: what is unlike the session's other items pays more.

    The distance of an item is the mean of (1 - cosine) / 2, in [0, 1], to the last ``window`` items
    of the session, by where items lie in the item space of the simulator; 0 for the first. It
    counts in proportion to what the step was paid, so that a user who does not care pays nothing.
    What is added stands in ``info["rewards"]["diversity"]``, the reward without it in
    ``info["original_reward"]``.

    Args:
        env: an environment such as ``LLMRec/NextItem-v1``.
        weight: by how much the reward of an item opposite to all others is larger, as a share of
            it.
        window: of the items of the session, the last so many count.
        among: ``"shown"``, all that were shown, or ``"taken"``, those that the user took.

    Raises:
        SettingError: an argument is out of range, or the environment is another.
        SimulatorError: the simulator does not say where items lie.
    """

    def __init__(
        self, env: gym.Env[Any, Any], weight: float = 0.5, window: int = 10, among: str = "shown"
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, weight=weight, window=window, among=among)
        super().__init__(env, Diversity(rules_of(env), weight, window, among))


class VectorDiversityReward(VectorShapedReward):
    """:class:`DiversityReward` for a batched environment."""

    def __init__(
        self,
        env: gym.vector.VectorEnv[Any, Any, Any],
        weight: float = 0.5,
        window: int = 10,
        among: str = "shown",
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, weight=weight, window=window, among=among)
        super().__init__(env, Diversity(rules_of(env), weight, window, among))
