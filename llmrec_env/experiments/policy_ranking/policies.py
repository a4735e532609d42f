"""Policies that only a panel needs: fixed orders, rankers of histories, the LE's best reward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.users.base import Histories, UserSimulator

SHORTLIST = 50
"""Items whose reward the LE is asked for, those that its action model ranks highest."""
ASKED = 16
"""Histories that are asked about at once, which bounds the memory."""


class FixedOrder:
    """Shows everybody the same items, in the same order.

    Args:
        scores: float (n_items,), higher is shown first.
    """

    observation = "state"

    def __init__(self, scores: FloatArray) -> None:
        self._scores = np.asarray(scores, dtype=np.float32)

    def action_scores(self, observation: Any) -> FloatArray:
        """The scores, float32 (N, n_items)."""
        return np.broadcast_to(self._scores, (len(observation), len(self._scores)))


class OfHistories:
    """Shows what a function of histories scores highest.

    Args:
        scores: from N histories to float32 (N, n_items).
        n_items: size of the catalogue, which also pads histories.
    """

    observation = "history"

    def __init__(self, scores: Callable[[Histories], FloatArray], n_items: int) -> None:
        self._scores = scores
        self._n_items = n_items

    def action_scores(self, observation: Any) -> FloatArray:
        """Scores after the items of each row, float32 (N, n_items)."""
        return self._scores(_histories(observation, self._n_items))


class GreedyReward:
    """Shows the item that the simulated user would like most: greedy in the simulator itself.

    To ask for all items costs a pass of the language model for each, so the reward orders the
    :data:`SHORTLIST` unseen items that the action model ranks highest; all others stand below, in
    the order of the action model. A user is asked about again when they have taken something.

    Args:
        simulator: whose reward it is.
    """

    observation = "both"

    def __init__(self, simulator: UserSimulator) -> None:
        self._simulator = simulator
        self.begin(simulator.n_items)

    def begin(self, n_items: int) -> None:
        """Forget what is known of users."""
        self._known: dict[bytes, FloatArray] = {}

    def action_scores(self, observation: Any) -> FloatArray:
        """Float32 (N, n_items): rewards of the shortlist, negative numbers for the others."""
        keys = [row.tobytes() for row in observation["history"]]
        missing = {key: row for row, key in enumerate(keys) if key not in self._known}
        rows = list(missing.values())
        for start in range(0, len(rows), ASKED):
            some = rows[start : start + ASKED]
            states, histories = observation["state"][some], observation["history"][some]
            for row, scores in zip(some, self._ask(states, histories), strict=True):
                self._known[keys[row]] = scores
        found = np.stack([self._known[key] for key in keys])
        self._known = {key: self._known[key] for key in keys}
        return found

    def _ask(self, states: FloatArray, rows: IntArray) -> FloatArray:
        simulator = self._simulator
        histories = _histories(rows, simulator.n_items)
        logits = np.array(simulator.preferences(states[:, : simulator.state_size]))
        for row, history in enumerate(histories):
            logits[row, history] = -np.inf
        below = -1.0 - logits.max(axis=1, keepdims=True)
        scores = (np.maximum(logits, -1e6) + below).astype(np.float32)
        count = min(SHORTLIST, simulator.n_items)
        listed: IntArray = np.argpartition(-logits, count - 1, axis=1)[:, :count]
        np.put_along_axis(scores, listed, simulator.score(histories, listed), axis=1)
        return scores


def _histories(rows: IntArray, padding: int) -> list[IntArray]:
    return [row[row != padding] for row in np.asarray(rows)]
