"""How well numbers put things in the right order: Spearman's correlation, areas, pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array


def spearman(x: NDArray[np.generic], y: NDArray[np.generic]) -> float:
    """Rank correlation of two arrays of one length."""
    frame = pl.DataFrame({"x": x, "y": y})
    return float(frame.select(pl.corr("x", "y", method="spearman")).item())


def agreement(scores: NDArray[np.generic], true: NDArray[np.generic]) -> float:
    """Spearman's correlation; 0 where all scores are the same, which is no order at all."""
    if scores.max() == scores.min():
        return 0.0
    return spearman(scores, true)


def area_under_curve(scores: NDArray[Any], liked: BoolArray) -> float | None:
    """The chance that a liked item stands above another; None where all or none are liked."""
    n_liked = int(liked.sum())
    n_other = len(liked) - n_liked
    if not n_liked or not n_other:
        return None
    ranks = pl.Series(scores).rank("average").to_numpy()
    above = ranks[liked].sum() - n_liked * (n_liked + 1) / 2
    return float(above) / (n_liked * n_other)


def pair_wins(taken: NDArray[Any], others: NDArray[Any]) -> Float64Array:
    """Whether each step's taken item is above each of its others, (n_steps, k); ties count half."""
    return (taken[:, None] > others) + 0.5 * (taken[:, None] == others)
