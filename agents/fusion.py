"""Late fusion: ranks items by a weighted sum of several rankers' log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import Ranker, evaluate_ranking

WEIGHTS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0)
"""Weights of a second ranker that are tried, up to nearly it alone; the first weighs 1."""
FLOOR = 1e-6
"""Least score of a ranker that counts (:class:`FromCounts`), as a share of its row's sum."""


class LateFusion:
    """Ranks by a weighted sum of log-probabilities; every ranker has to serve.

    With two plain backbones it is an ensemble, with a backbone and an LE it serves with a language
    model.

    Args:
        rankers: each scores in logits of a softmax (recommenders, simulated users); wrap those
            that count in :class:`FromCounts`.
        weights: of the rankers; equal where None.
        temperatures: by which each ranker's scores are divided first; 1 where None.

    Raises:
        SettingError: there is not one weight and temperature a ranker, or one is not positive.
    """

    def __init__(
        self,
        rankers: Sequence[Ranker],
        weights: Sequence[float] | None = None,
        temperatures: Sequence[float] | None = None,
    ) -> None:
        self._rankers = list(rankers)
        self._weights = _checked("weights", weights, len(self._rankers))
        self._temperatures = _checked("temperatures", temperatures, len(self._rankers))

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Fused log-probabilities after each prefix, float32 (sum(len_i - 1), n_items)."""
        parts = zip(self._rankers, self._weights, self._temperatures, strict=True)
        total: FloatArray | None = None
        for ranker, weight, temperature in parts:
            scores = np.asarray(ranker.score_steps(sequences), dtype=np.float32)
            part = np.float32(weight) * log_softmax(scores / np.float32(temperature))
            total = part if total is None else total + part
        assert total is not None
        return total


class FromCounts:
    """A ranker whose scores are shares, not logits, such as item-kNN: their logarithms."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        """Logarithms of the scores, float32 (sum(len_i - 1), n_items).

        A score of 0 counts as a small share of its row, so that it does not veto other rankers.
        """
        scores = np.asarray(self._ranker.score_steps(sequences), dtype=np.float32)
        total = scores.sum(axis=1, keepdims=True)
        shares = scores / np.where(total > 0, total, 1)
        return np.log(shares + np.float32(FLOOR))


def fuse_on_validation(
    first: Ranker, second: Ranker, validation: InteractionLog, mask_seen: bool
) -> tuple[LateFusion, float]:
    """Two rankers fused, the second at that of :data:`WEIGHTS` which ranks best.

    Args:
        first, second: score in logits, see :class:`LateFusion`.
        validation: the users whose NDCG@10 chooses; of neither ranker's training.
        mask_seen: whether the items that a user took are left out.

    Returns:
        the fused ranker and the weight.
    """

    def fused(weight: float) -> LateFusion:
        return LateFusion([first, second], (1.0, weight))

    def quality(weight: float) -> float:
        return evaluate_ranking(fused(weight), validation, (10,), mask_seen)["NDCG@10"]

    best = max(WEIGHTS, key=quality)
    return fused(best), best


def log_softmax(scores: FloatArray) -> FloatArray:
    """Log-probabilities (N, n_items) of logits."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _checked(name: str, values: Sequence[float] | None, count: int) -> list[float]:
    given = [1.0] * count if values is None else [float(value) for value in values]
    if not count or len(given) != count or min(given) <= 0:
        raise SettingError(f"late fusion needs {name} above 0, one a ranker; got {values}")
    return given
