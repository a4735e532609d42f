"""``ItemNeighbours``: item-kNN, similar items by co-occurrence in users' sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.data.log import InteractionLog


@dataclass(frozen=True, eq=False)
class ItemNeighbours:
    """The nearest neighbours of each item by co-occurrence.

    Attributes:
        items: int64 (n_items, K), nearest first; any item where there are fewer than K.
        similarities: float32 (n_items, K); 0 where there are fewer.
        reach: how many of the last items of a history :meth:`scores` reads.
    """

    items: IntArray
    similarities: FloatArray
    reach: int

    @classmethod
    def of(
        cls,
        log: InteractionLog,
        k: int = 100,
        reach: int = 10,
        *,
        span: int = 50,
        decay: float = 0.5,
        backward: float = 0.3,
        popularity: float = 0.2,
    ) -> ItemNeighbours:
        """Count pairs of items that the same users take near one another.

        ``s(i, j) = sum over pairs of w * d^-decay / (n_i^0.5 * n_j^popularity)``, d the places from
        i to j in a user's sequence, w 1 where i came first and ``backward`` where j did, n how
        often each occurs. Cosine co-occurrence is ``decay=0, backward=1, popularity=0.5``, which
        marks popular neighbours down further than helped the validation users of the logs tried.

        Args:
            log: the users.
            k: neighbours of an item.
            reach: how many of the last items of a history :meth:`scores` reads.
            span: the largest d.
            decay: how fast a pair counts less with d.
            backward: what a pair counts in the other direction.
            popularity: how much a popular neighbour is marked down.
        """
        left, right, together = near_pairs(log, span, decay, backward)
        counts = log.item_counts()
        similarity = together / (counts[left] ** 0.5 * counts[right] ** popularity)
        order = np.lexsort((-similarity, left))
        left, right, similarity = left[order], right[order], similarity[order]
        rank = np.arange(len(left)) - np.searchsorted(left, left)
        near = rank < k
        items = np.zeros((log.n_items, k), dtype=np.int64)
        similarities = np.zeros((log.n_items, k), dtype=np.float32)
        items[left[near], rank[near]] = right[near]
        similarities[left[near], rank[near]] = similarity[near]
        return cls(items, similarities, reach)

    def scores(self, log_items: IntArray, first: IntArray, rows: IntArray) -> FloatArray:
        """Similarity of every item to the last items of some histories.

        Args:
            log_items: int64 (n,), sequences one after the other.
            first: int64 (P,), where in it each history begins.
            rows: int64 (P,), where in it each history ends (its last item).

        Returns:
            float32 (P, n_items): similarities summed over the last ``reach`` items, the d-th newest
            weighing 1 / d.
        """
        before = rows[:, None] - np.arange(self.reach)
        weights = np.where(before >= first[:, None], 1.0 / np.arange(1, self.reach + 1), 0.0)
        recent = log_items[np.maximum(before, 0)]
        cells = (np.arange(len(rows)) * len(self.items))[:, None, None] + self.items[recent]
        total = np.bincount(
            cells.ravel(),
            (self.similarities[recent] * weights[:, :, None]).ravel(),
            minlength=len(rows) * len(self.items),
        )
        return total.reshape(len(rows), len(self.items)).astype(np.float32)


def near_pairs(
    log: InteractionLog, span: int, decay: float, backward: float
) -> tuple[IntArray, IntArray, Float64Array]:
    """Ordered pairs of different items that were taken near one another, and how often.

    Args:
        log: the users.
        span: the largest distance d in a user's sequence.
        decay: a pair counts d^-decay.
        backward: what it counts in the other direction.

    Returns:
        Items int64 (P,), items int64 (P,) and weights float64 (P,).
    """
    users = log.row_users
    pairs, weights = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    for distance in range(1, min(span, int(log.lengths.max(initial=1)) - 1) + 1):
        same = np.flatnonzero(users[:-distance] == users[distance:])
        left, right = log.items[same], log.items[same + distance]
        left, right = left[left != right], right[left != right]
        pairs += [left * log.n_items + right, right * log.n_items + left]
        forward = np.full(len(left), distance**-decay)
        weights += [forward, backward * forward]
    unique, pair = np.unique(np.concatenate(pairs), return_inverse=True)
    left, right = np.divmod(unique, log.n_items)
    together = np.zeros(len(unique))
    np.add.at(together, pair, np.concatenate(weights))
    return left, right, together
