"""The fidelity card: how well a simulator predicts held-out users and known true preferences.

On any log: does the reward of the item that a held-out user took exceed that of an item that they
never saw, and is the next item ranked high? On the generated world, whose truth is known: does the
reward order the unseen items as the user's true preference does, and better than popularity?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.common.progress import track
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives
from llmrec_env.envs.next_item.rules import InitialHistories
from llmrec_env.evaluation.intervals import Interval, interval
from llmrec_env.evaluation.ranking import Popularity, SimulatorRanker, evaluate_ranking
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.true_taste import TrueTasteUser


@dataclass(frozen=True)
class PairwiseAccuracy:
    """Share of held-out steps at which the taken item is put above one never seen.

    Attributes:
        uniform: against a uniformly drawn item.
        popular: against an item drawn by popularity, so that popularity itself is of no help.
    """

    uniform: float
    popular: float


@dataclass(frozen=True)
class Card:
    """What is measured of a simulator on users that it never learned from."""

    reward: PairwiseAccuracy
    popularity_reward: PairwiseAccuracy
    ranking: dict[str, float]
    popularity_ranking: dict[str, float]


def fidelity_card(
    simulator: UserSimulator, train: InteractionLog, held_out: InteractionLog, seed: int = 0
) -> Card:
    """Measure a simulator on held-out users, beside popularity; seen items are not masked.

    Args:
        simulator: with rewards and an action model.
        train: what popularity counts.
        held_out: users whose steps are predicted.
        seed: of the items never seen.
    """
    popularity = Popularity(train)
    return Card(
        reward=reward_accuracy(simulator, held_out, seed),
        popularity_reward=popularity_accuracy(train, held_out, seed),
        ranking=evaluate_ranking(SimulatorRanker(simulator), held_out),
        popularity_ranking=evaluate_ranking(popularity, held_out),
    )


def reward_accuracy(
    simulator: UserSimulator, log: InteractionLog, seed: int = 0
) -> PairwiseAccuracy:
    """Pairwise accuracy of the simulator's rewards at every step of a log."""
    negatives, goes_on = _negatives(log, seed), log.row_goes_on
    taken = simulator.label(log).rewards[1:][goes_on[:-1]]
    others = simulator.branch(log, negatives).rewards[goes_on]
    return _accuracy(taken, others)


def popularity_accuracy(
    train: InteractionLog, log: InteractionLog, seed: int = 0
) -> PairwiseAccuracy:
    """The same of the items' counts in the training log."""
    counts = train.item_counts()
    negatives, goes_on = _negatives(log, seed), log.row_goes_on
    return _accuracy(counts[log.items[1:][goes_on[:-1]]], counts[negatives[goes_on]])


def _accuracy(taken: NDArray[Any], others: NDArray[Any]) -> PairwiseAccuracy:
    """Ties count half."""
    wins = (taken[:, None] > others).mean(0) + 0.5 * (taken[:, None] == others).mean(0)
    return PairwiseAccuracy(uniform=float(wins[0]), popular=float(wins[1]))


def _negatives(log: InteractionLog, seed: int) -> IntArray:
    """One uniform and one popular item that the user never saw, for every row: (n, 2)."""
    rng = np.random.default_rng([seed, 7])
    return np.stack(
        [Negatives(log, share).draw(log.row_users, rng) for share in (0.0, 1.0)], axis=1
    )


@dataclass(frozen=True, eq=False)
class TruthAgreement:
    """Per-user Spearman correlation with the true preference over unseen items.

    Attributes:
        simulator: float64 (n_users,), of the simulator's rewards.
        popularity: float64 (n_users,), of the items' counts in the training log.
    """

    simulator: Float64Array
    popularity: Float64Array

    @property
    def difference(self) -> Interval:
        """Mean over users of simulator minus popularity, with its 95% interval."""
        return interval(self.simulator - self.popularity)


def truth_agreement(
    simulator: UserSimulator, truth: TrueTasteUser, train: InteractionLog, held_out: InteractionLog
) -> TruthAgreement:
    """Compare rewards with the generated world's true preference, after each initial history.

    Args:
        simulator: the simulator to evaluate; its catalogue is the world's.
        truth: the world's true users.
        train: what popularity counts.
        held_out: users of the world that the simulator never learned from.
    """
    initial_histories = InitialHistories(held_out)
    users = initial_histories.eligible
    histories = [initial_histories.history(int(user)) for user in users]
    everything = np.tile(np.arange(held_out.n_items), (len(users), 1))
    rewards = simulator.score(histories, everything)
    likings = truth.with_users(held_out).true_liking(histories, users)
    counts = train.item_counts()
    correlations = []
    for row in track(range(len(users)), "compare with the truth"):
        unseen = np.ones(held_out.n_items, dtype=bool)
        unseen[histories[row]] = False
        liking = likings[row, unseen]
        correlations.append(
            (spearman(rewards[row, unseen], liking), spearman(counts[unseen], liking))
        )
    simulated, popular = np.array(correlations).T
    return TruthAgreement(simulated, popular)


def spearman(x: NDArray[np.generic], y: NDArray[np.generic]) -> float:
    """Rank correlation of two arrays of one length."""
    frame = pl.DataFrame({"x": x, "y": y})
    return float(frame.select(pl.corr("x", "y", method="spearman")).item())
