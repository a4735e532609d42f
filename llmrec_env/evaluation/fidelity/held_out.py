"""Every held-out step: is the item taken above one never seen, and is the next item ranked high?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives
from llmrec_env.evaluation.fidelity.orders import pair_wins
from llmrec_env.evaluation.intervals import Interval, clustered
from llmrec_env.evaluation.ranking import (
    Popularity,
    Ranker,
    SimulatorRanker,
    both_step_ranks,
    held_out_rows,
    ranking_metrics,
    step_gains,
)
from llmrec_env.users.base import UserSimulator


@dataclass(frozen=True)
class PairwiseAccuracy:
    """Share of held-out steps at which the taken item is put above one never seen.

    Attributes:
        uniform: against a uniformly drawn item.
        popular: against an item drawn by popularity, so that popularity itself is of no help.
    """

    uniform: float
    popular: float


COLUMNS = (
    *("accuracy, uniform", "accuracy, popular"),
    *("HR@10", "NDCG@10", "HR@10, masked", "NDCG@10, masked"),
)
"""What is measured, with intervals."""
OURS, POPULAR, DIFFERENCE = "simulator", "popularity", "difference"


@dataclass(frozen=True)
class HeldOutAccuracy:
    """What is measured of a simulator on users that it never learned from.

    Attributes:
        reward: pairwise accuracy of its rewards.
        popularity_reward: the same of popularity.
        ranking: as from :func:`evaluate_ranking`, seen items not masked.
        popularity_ranking: the same of popularity.
        masked_ranking: with seen items masked.
        popularity_masked_ranking: the same of popularity.
        intervals: each of :data:`COLUMNS` with its 95% interval over users, by row: "simulator",
            "popularity", and the "difference" of the two, step by step.
        users: users with a step.
    """

    reward: PairwiseAccuracy
    popularity_reward: PairwiseAccuracy
    ranking: dict[str, float]
    popularity_ranking: dict[str, float]
    masked_ranking: dict[str, float]
    popularity_masked_ranking: dict[str, float]
    intervals: dict[str, dict[str, Interval]]
    users: int


def held_out_accuracy(
    simulator: UserSimulator, train: InteractionLog, held_out: InteractionLog, seed: int = 0
) -> HeldOutAccuracy:
    """Measure a simulator on held-out users, beside popularity, with seen items masked and not.

    Args:
        simulator: with rewards and an action model.
        train: what popularity counts.
        held_out: users whose steps are predicted.
        seed: of the items never seen.
    """
    wins = {
        OURS: _reward_wins(simulator, held_out, seed),
        POPULAR: popularity_wins(train, held_out, seed),
    }
    rankers: dict[str, Ranker] = {OURS: SimulatorRanker(simulator), POPULAR: Popularity(train)}
    ranks = {who: both_step_ranks(ranker, held_out) for who, ranker in rankers.items()}
    ranking = {
        who: {masked: _ranking(own[masked], masked) for masked in own} for who, own in ranks.items()
    }
    return HeldOutAccuracy(
        reward=_accuracy(wins[OURS]),
        popularity_reward=_accuracy(wins[POPULAR]),
        ranking=ranking[OURS][False],
        popularity_ranking=ranking[POPULAR][False],
        masked_ranking=ranking[OURS][True],
        popularity_masked_ranking=ranking[POPULAR][True],
        intervals=_intervals(held_out, wins, ranks),
        users=int((held_out.lengths > 1).sum()),
    )


def _ranking(ranks: Float64Array, masked: bool) -> dict[str, float]:
    return {**ranking_metrics(ranks, (5, 10, 20)), "mask_seen": masked}


def _intervals(
    log: InteractionLog, wins: dict[str, Float64Array], ranks: dict[str, dict[bool, Float64Array]]
) -> dict[str, dict[str, Interval]]:
    """Every column for both rows and their difference."""
    goes_on, held_out = log.row_users[log.row_goes_on], log.row_users[held_out_rows(log)]

    def columns(who: str) -> list[tuple[Float64Array, IntArray]]:
        found = [(wins[who][:, negative], goes_on) for negative in (0, 1)]
        for masked in (False, True):
            hits, gains = step_gains(ranks[who][masked], 10)
            found += [(hits.astype(np.float64), held_out), (gains, held_out)]
        return found

    ours, popular = columns(OURS), columns(POPULAR)
    apart = [(a - b, owners) for (a, owners), (b, _) in zip(ours, popular, strict=True)]
    rows = {OURS: ours, POPULAR: popular, DIFFERENCE: apart}
    return {
        who: {name: clustered(*own) for name, own in zip(COLUMNS, found, strict=True)}
        for who, found in rows.items()
    }


def reward_accuracy(
    simulator: UserSimulator, log: InteractionLog, seed: int = 0
) -> PairwiseAccuracy:
    """Pairwise accuracy of the simulator's rewards at every step of a log."""
    return _accuracy(_reward_wins(simulator, log, seed))


def popularity_accuracy(
    train: InteractionLog, log: InteractionLog, seed: int = 0
) -> PairwiseAccuracy:
    """The same of the items' counts in the training log."""
    return _accuracy(popularity_wins(train, log, seed))


def _reward_wins(simulator: UserSimulator, log: InteractionLog, seed: int) -> Float64Array:
    negatives, goes_on = unseen_items(log, seed), log.row_goes_on
    taken = simulator.label(log).rewards[1:][goes_on[:-1]]
    return pair_wins(taken, simulator.branch(log, negatives).rewards[goes_on])


def popularity_wins(train: InteractionLog, log: InteractionLog, seed: int) -> Float64Array:
    """At which steps popularity puts the item taken above each of two never seen, (n_steps, 2)."""
    counts = train.item_counts()
    negatives, goes_on = unseen_items(log, seed), log.row_goes_on
    return pair_wins(counts[log.items[1:][goes_on[:-1]]], counts[negatives[goes_on]])


def _accuracy(wins: Float64Array) -> PairwiseAccuracy:
    return PairwiseAccuracy(uniform=float(wins[:, 0].mean()), popular=float(wins[:, 1].mean()))


def unseen_items(log: InteractionLog, seed: int) -> IntArray:
    """One uniform and one popular item that the user never saw, for every row: (n, 2)."""
    rng = np.random.default_rng([seed, 7])
    return np.stack(
        [Negatives(log, share).draw(log.row_users, rng) for share in (0.0, 1.0)], axis=1
    )
