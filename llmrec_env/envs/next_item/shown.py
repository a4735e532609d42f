"""``ShownItems``: what each of N users was shown in this episode, and how they answered."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray, KeepsArrays


class ShownItems(KeepsArrays):
    """The items shown in the episodes of N users.

    Args:
        num_rows: how many users, N.
        length: how many of the last items to keep, K; 0 keeps none.
        points: float32 (n_items, d), where the items lie.

    Attributes:
        items: int64 (N, K), the last items shown, most recent last, padded on the left with
            ``n_items``.
        answers: int64 (N, K), 1 where the item was taken, -1 where it was skipped, 0 where nothing
            was shown.
        means: float32 (N, d), the mean point of all items shown in the episode; 0 before the first.
    """

    def __init__(self, num_rows: int, length: int, points: FloatArray) -> None:
        self._points = points
        self._counts = np.zeros((num_rows, 1), dtype=np.float32)
        self.items = np.full((num_rows, length), len(points), dtype=np.int64)
        self.answers = np.zeros((num_rows, length), dtype=np.int64)
        self.means = np.zeros((num_rows, points.shape[1]), dtype=np.float32)

    def begin(self, rows: IntArray) -> None:
        """New episodes in ``rows``: nothing was shown yet."""
        self.items[rows] = len(self._points)
        self.answers[rows] = 0
        self.means[rows] = 0.0
        self._counts[rows] = 0.0

    def add(self, rows: BoolArray, items: IntArray, accepted: BoolArray) -> None:
        """The users of ``rows`` bool (N,) are shown their item of int64 (N,)."""
        self._counts += rows[:, None]
        steps = (self._points[items] - self.means) / np.maximum(self._counts, 1.0)
        self.means += np.where(rows[:, None], steps, np.float32(0.0))
        for kept, new in ((self.items, items), (self.answers, np.where(accepted, 1, -1))):
            kept[rows, :-1] = kept[rows, 1:]
            kept[rows, -1:] = new[rows, None]

    @property
    def size(self) -> int:
        """Numbers that :meth:`observations` tells of a user, d + K (d + 1)."""
        length, d = self.items.shape[1], self.means.shape[1]
        return d + length * (d + 1)

    def observations(self) -> list[FloatArray]:
        """What is seen of it, float32 each: :attr:`means` (N, d), where the last items lie
        (N, K * d; 0 where nothing was shown), and the answers (N, K)."""
        known = self.items < len(self._points)
        points = self._points[np.where(known, self.items, 0)]
        points = np.where(known[:, :, None], points, np.float32(0.0))
        flat = points.reshape(len(points), -1)
        return [self.means, flat, self.answers.astype(np.float32)]
