"""``CandidateActions``: an action is a place in a retrieved list of K candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray, KeepsArrays, repeats
from llmrec_env.common.checks import check_whole
from llmrec_env.envs.common.checks import check_choices
from llmrec_env.envs.next_item.retrieval import Retrieve, check_retrieved
from llmrec_env.envs.next_item.users_now import UsersNow
from llmrec_env.users.item_space import ItemSpace

OWN_FEATURES = 4
"""Features of a candidate before its point in item space: see :class:`CandidateActions`."""


class CandidateActions(KeepsArrays):
    """K candidates a user, named anew after every step.

    Where fewer are left, the first candidate stands in the places that are over. The mask is true
    where an unseen item stands for the first time.

    The features of a candidate, each in [-1, 1]: its score (the rank's where no scores are told),
    centred and scaled within the list; the popularity of the item; its closeness to the last item
    taken and to the mean of those shown in this episode (cosine in item space); and its point in
    item space.

    Args:
        count: K.
        retrieve: names the candidates.
        item_space: where the items lie.
        popularity: float32 (n_items,), in [0, 1].

    Attributes:
        items: int64 (N, K), the candidates.
        features: float32 (N, K, 4 + d).

    Raises:
        SettingError: K is not in [1, n_items].
    """

    def __init__(
        self, count: int, retrieve: Retrieve, item_space: ItemSpace, popularity: FloatArray
    ) -> None:
        self._count = check_whole("candidates", count, 1, len(item_space.points))
        self.space = spaces.Discrete(self._count)
        self._retrieve = retrieve
        self._item_space = item_space
        self._popularity = popularity
        self.items = np.zeros((0, self._count), dtype=np.int64)
        self.features = np.zeros((0, self._count, self.feature_size), dtype=np.float32)
        self._new = np.zeros((0, self._count), dtype=np.bool_)

    @property
    def feature_size(self) -> int:
        """Features of a candidate, 4 + d."""
        return OWN_FEATURES + self._item_space.size

    @property
    def size(self) -> int:
        """Features of all candidates of a user, K (4 + d)."""
        return self._count * self.feature_size

    def look(self, users: UsersNow) -> None:
        """Name the candidates of each user."""
        found = self._retrieve(users, self._count)
        n_items = len(self._item_space.points)
        items, scores = check_retrieved(found, len(users.states), self._count, n_items)
        none = items < 0
        self.items = np.where(none, np.maximum(items[:, :1], 0), items)
        self._new = ~none & ~repeats(self.items)
        self.features = self._describe(users, np.where(none, np.nan, scores))

    def items_of(self, actions: Any, users: UsersNow) -> IntArray:
        """The candidates at the places that N actions name."""
        places = check_choices(actions, len(users.states), self._count, "a candidate's place")
        return self.items[users.rows, places]

    def lists_of(self, choices: IntArray, users: UsersNow) -> IntArray:
        """The candidates at some places of each user, int64 (N, K) both."""
        return np.take_along_axis(self.items, choices, axis=1)

    def masks(self, users: UsersNow) -> BoolArray:
        """Where an unseen item stands for the first time."""
        seen = users.seen.has_each(self.items)
        return self._new & ~seen

    def _describe(self, users: UsersNow, scores: FloatArray) -> FloatArray:
        assert users.shown is not None
        points = self._item_space.points[self.items]
        last = users.recent[:, -1]
        features = np.empty((*self.items.shape, self.feature_size), dtype=np.float32)
        features[:, :, 0] = _centred(scores)
        features[:, :, 1] = self._popularity[self.items]
        features[:, :, 2] = _cosines(points, self._item_space.points[last])
        features[:, :, 3] = _cosines(points, users.shown.means)
        features[:, :, OWN_FEATURES:] = points
        return features


def _centred(scores: FloatArray) -> FloatArray:
    """Scores of each list with mean 0, the largest distance from it 1; -1 where there is none."""
    known = ~np.isnan(scores)
    finite = np.where(known, scores, 0.0)
    mean = finite.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    moved = np.where(known, scores - mean, 0.0)
    reach = np.abs(moved).max(axis=1, keepdims=True)
    result: FloatArray = np.where(known, moved / np.where(reach > 0, reach, 1.0), -1.0)
    return result


def _cosines(points: FloatArray, others: FloatArray) -> FloatArray:
    """Cosine of each of (N, K, d) with the row's own of (N, d); 0 where either has no length."""
    products = np.einsum("nkd,nd->nk", points, others)
    lengths = np.linalg.norm(points, axis=2) * np.linalg.norm(others, axis=1)[:, None]
    result: FloatArray = np.clip(products / np.where(lengths > 0, lengths, 1.0), -1.0, 1.0)
    return result
