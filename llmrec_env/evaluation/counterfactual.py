"""Counterfactual validation: an LE learned from what one recommender showed; does it hold for
what another one shows?

A log tells what users took of what a recommender offered them, so a simulated user may have learned
the recommender instead of the users. Two logs of the same kind of users, offered the same items by
different recommenders (two generated worlds of one seed, or two phases of a service), tell the two
apart: learn from the first, and ask the same question about held-out users of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.fidelity import pair_wins, unseen_items
from llmrec_env.evaluation.intervals import Interval, clustered, ratio
from llmrec_env.users.base import UserSimulator

UNIFORM, POPULAR, SHOWN = "uniform", "popular", "shown beside"
CHANCE = 0.5


@dataclass(frozen=True)
class CounterfactualAccuracy:
    """How often the item that a user took is put above another, on both logs.

    Attributes:
        own: on the log of the recommender from which was learned, by the other item's kind:
            "uniform", any that the user never saw; "popular", drawn by how often the log has it;
            "shown beside", one that was shown and left at the same step, where both logs keep
            those. With 95% intervals over users.
        other: the same on the other recommender's log.
    """

    own: dict[str, Interval]
    other: dict[str, Interval]

    @property
    def kept(self) -> dict[str, Interval]:
        """The share of the accuracy that is kept, other over own, with 95% intervals (delta
        method, the two logs' users taken as independent)."""
        return {kind: ratio(self.other[kind], self.own[kind]) for kind in self.own}

    @property
    def kept_above_chance(self) -> dict[str, Interval]:
        """The same of what lies above one half, which a coin has."""
        return {kind: ratio(self.other[kind], self.own[kind], CHANCE) for kind in self.own}


def counterfactual_accuracy(
    simulator: UserSimulator, own: InteractionLog, other: InteractionLog, seed: int = 0
) -> CounterfactualAccuracy:
    """Accuracy of a simulated user's rewards on two recommenders' logs.

    Args:
        simulator: who learned from the first recommender's training users.
        own: held-out users of that log.
        other: held-out users of the other log, over the same items; none of whom it learned from.
        seed: of the items never seen.

    Raises:
        DataError: the logs are of different items, or nobody took two.
    """

    def scores(log: InteractionLog, candidates: IntArray) -> tuple[NDArray[Any], NDArray[Any]]:
        known = simulator.with_users(log)
        return known.label(log).rewards, known.branch(log, candidates).rewards

    return _compared(scores, own, other, seed)


def counterfactual_popularity(
    train: InteractionLog, own: InteractionLog, other: InteractionLog, seed: int = 0
) -> CounterfactualAccuracy:
    """The same of how often a training log has each item, the baseline that is its recommender's.

    Args:
        train: training users of the first recommender's log.
        own: as in :func:`counterfactual_accuracy`, as the others.
        other: held-out users of the other log.
        seed: of the items never seen.
    """
    counts = train.item_counts()
    return _compared(
        lambda log, candidates: (counts[log.items], counts[candidates]), own, other, seed
    )


def strangers_of(log: InteractionLog, train: InteractionLog) -> InteractionLog:
    """The users of a log who are no training users, by their names.

    Raises:
        DataError: all of them are.
    """
    known = set(train.user_ids)
    strangers = [row for row, name in enumerate(log.user_ids) if name not in known]
    if not strangers:
        raise DataError(
            f"all {log.n_users} held-out users of the other log are training users of the first, "
            "by their names: an accuracy on them would be that of what was learned"
        )
    return log.select_users(strangers)


Scores = Callable[[InteractionLog, IntArray], tuple[NDArray[Any], NDArray[Any]]]
"""From a log and candidates (n, K) after each of its rows to the scores of the items taken, (n,),
before which nothing is known at a user's first, and of the candidates, (n, K)."""


def _compared(
    scores: Scores, own: InteractionLog, other: InteractionLog, seed: int
) -> CounterfactualAccuracy:
    check_same_catalogue(own.catalogue, other.catalogue, "the other log")
    kinds = [UNIFORM, POPULAR]
    if own.skips is not None and other.skips is not None:
        kinds.append(SHOWN)
    found = [_accuracy(scores, log, kinds, seed) for log in (own, other)]
    return CounterfactualAccuracy(*found)


def _accuracy(
    scores: Scores, log: InteractionLog, kinds: list[str], seed: int
) -> dict[str, Interval]:
    if not log.row_goes_on.any():
        raise DataError("counterfactual accuracy: nobody in the log took two items")
    candidates = unseen_items(log, seed)
    if SHOWN in kinds:
        candidates = np.column_stack([candidates, _shown_beside(log)])
    steps = log.row_goes_on
    taken, others = scores(log, np.maximum(candidates, 0))
    wins = pair_wins(taken[1:][steps[:-1]], others[steps])
    owners, known = log.row_users[steps], candidates[steps] >= 0
    return {
        kind: clustered(wins[known[:, place], place], owners[known[:, place]])
        for place, kind in enumerate(kinds)
    }


def _shown_beside(log: InteractionLog) -> IntArray:
    """The first item skipped just before the interaction after each row, int64 (n,); -1 if none."""
    assert log.skips is not None
    found = np.full(len(log), -1, dtype=np.int64)
    users, after = log.skips.row_users, log.skips.after
    inside = (after > 0) & (after < log.lengths[users])
    rows = log.offsets[:-1][users[inside]] + after[inside] - 1
    found[rows[::-1]] = log.skips.items[inside][::-1]  # the first one is written last
    return found
