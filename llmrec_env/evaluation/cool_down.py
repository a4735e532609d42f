"""``CoolDownPolicy``: the greedy choice, but for a while nothing like what was just taken, or more
of it."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.checks import check_counts, check_number
from llmrec_env.envs.next_item.observations import Observation
from llmrec_env.evaluation.policies import PreferencePolicy
from llmrec_env.users.base import UserSimulator


class CoolDownPolicy:
    """Shows what a simulated user's own action model ranks highest, less what is like the last
    items taken.

    The score of item ``a`` is its logit, of mean 0 and standard deviation 1 over the items, less
    ``weight`` times the mean cosine of ``a`` and the last ``memory`` items taken. It is the
    simplest policy that looks ahead: it gives up a little now for users who are not weary later.
    With a weight below 0 it does the opposite, which users who weary should punish.

    Args:
        simulator: whose action model and item vectors.
        weight: 0 is the greedy choice; below 0 it shows more of the same.
        memory: how many of the last items count.

    Raises:
        SettingError: a number is out of range.
    """

    observation = "both"

    def __init__(self, simulator: UserSimulator, weight: float = 1.0, memory: int = 3) -> None:
        check_counts(memory=memory)
        self.weight = check_number("weight", weight)
        self.history_length = memory
        kind = "cool-down" if weight >= 0 else "more of the same"
        self.name = f"{kind}, weight {abs(weight):g}"
        self._greedy = PreferencePolicy(simulator)
        vectors = np.asarray(simulator.item_vectors, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        nobody = np.zeros((1, vectors.shape[1]), dtype=np.float32)  # where fewer were taken
        self._vectors = np.concatenate([vectors / np.maximum(lengths, 1e-12), nobody])

    def action_scores(self, observation: Observation) -> FloatArray:
        """Scores, float32 (N, n_items)."""
        logits = self._greedy.action_scores(observation["state"])
        centred = logits - logits.mean(axis=1, keepdims=True)
        spread = np.maximum(centred.std(axis=1, keepdims=True), np.float32(1e-12))
        history = observation["history"]
        near = self._vectors[history].sum(axis=1) / np.maximum(
            (history < len(self._vectors) - 1).sum(axis=1, keepdims=True), 1
        )
        scores: FloatArray = centred / spread - self.weight * (near @ self._vectors[:-1].T)
        return scores.astype(np.float32)
