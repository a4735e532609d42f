"""How scores of purchases agree with what the shop pays, and from where on they are a success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from agents.shop.purchases import JudgedPurchase
from llmrec_env.common.errors import SettingError
from llmrec_env.evaluation.fidelity import spearman


@dataclass(frozen=True)
class Agreement:
    """How scores of purchases agree with the shop's reward.

    Attributes:
        spearman: rank correlation over all purchases.
        auc: probability that a success (a reward of 1) scores above another purchase; ties half.
        pairs: share of two purchases for one instruction, with different rewards, that stand in the
            right order; ties half.
        n: purchases; n_success: of them, successes.
    """

    spearman: float
    auc: float
    pairs: float
    n: int
    n_success: int


def success_threshold(
    predicted: NDArray[np.floating], rewards: NDArray[np.floating], precision: float
) -> tuple[float | None, dict[str, float]]:
    """The lowest prediction above which at least ``precision`` of the purchases are successes.

    Args:
        predicted: (N,), probabilities of success, rewards: (N,), of validation purchases.
        precision: in (0, 1].

    Returns:
        The threshold, or None where no prediction is that certain; and the precision and recall
        that it has on these purchases.
    """
    if not 0.0 < precision <= 1.0:
        raise SettingError(f"precision must lie in (0, 1], got {precision!r}")
    order = np.argsort(-predicted.astype(np.float64), kind="stable")
    ranked, right = predicted[order], (rewards[order] == 1.0).cumsum()
    share = right / np.arange(1, len(right) + 1)
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal predictions stand or fall together
    good = np.flatnonzero(last & (share >= precision) & (ranked > 0.0))
    if not len(good):
        return None, {"precision": 0.0, "recall": 0.0}
    place = int(good[-1])
    recall = float(right[place] / max(1, right[-1]))
    return float(ranked[place]), {"precision": float(share[place]), "recall": recall}


def agreement(
    scores: NDArray[np.generic],
    judged: Sequence[JudgedPurchase],
    successes: NDArray[np.generic] | None = None,
) -> Agreement:
    """How any scores of purchases agree with what the shop pays.

    Args:
        scores: (N,), high for a high reward.
        judged: the purchases.
        successes: (N,), high for a success, where they are not the same.
    """
    frame = pl.DataFrame(
        {
            "score": np.asarray(scores, dtype=np.float64),
            "reward": [one.reward for one in judged],
            "goal": [one.instruction for one in judged],
        }
    )
    success = (frame["reward"] == 1.0).to_numpy()
    n, n_success = len(frame), int(success.sum())
    chances = pl.Series(np.asarray(scores if successes is None else successes, dtype=np.float64))
    ranks = chances.rank().to_numpy()  # ties share their mean rank
    above = ranks[success].sum() - n_success * (n_success + 1) / 2
    frame = frame.with_row_index("row")
    pairs = frame.join(frame, on="goal").filter(pl.col("reward") > pl.col("reward_right"))
    order = (pairs["score"] - pairs["score_right"]).sign().to_numpy()
    return Agreement(
        spearman=spearman(frame["score"].to_numpy(), frame["reward"].to_numpy()),
        auc=float(above / max(1, n_success * (n - n_success))),
        pairs=float((1 + order).mean() / 2) if len(order) else 0.5,
        n=n,
        n_success=n_success,
    )
