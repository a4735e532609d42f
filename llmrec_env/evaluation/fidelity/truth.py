"""Where the truth is known: does a simulator's reward order items as true users like them?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray
from llmrec_env.common.progress import track
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.fidelity.moments import answers
from llmrec_env.evaluation.fidelity.orders import spearman
from llmrec_env.evaluation.intervals import Interval, interval
from llmrec_env.users.base import Histories, UserSimulator
from llmrec_env.users.true_taste import TrueTasteUser


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
    simulator: UserSimulator, truth: UserSimulator, train: InteractionLog, held_out: InteractionLog
) -> TruthAgreement:
    """Compare rewards with the true liking, after each initial history.

    Args:
        simulator: the simulator to evaluate; its catalogue is that of the log.
        truth: true users: those of a generated world, or people who rated what they are asked
            about (:class:`~llmrec_env.users.rated.RatedUser`).
        train: what popularity counts.
        held_out: users of whom the truth knows, and from whom the simulator never learned.
    """
    initial_histories = InitialHistories(held_out)
    users = initial_histories.eligible
    histories = [initial_histories.history(int(user)) for user in users]
    everything = np.tile(np.arange(held_out.n_items), (len(users), 1))
    rewards = simulator.score(histories, everything)
    true = truth.with_users(held_out)
    likings = _likings(true, histories, users, everything)
    counts = train.item_counts()
    correlations = []
    for row in track(range(len(users)), "compare with the truth"):
        unseen = np.ones(held_out.n_items, dtype=bool)
        unseen[histories[row]] = False
        unseen[true.unknown_items(int(users[row]))] = False
        liking = likings[row, unseen]
        correlations.append(
            (spearman(rewards[row, unseen], liking), spearman(counts[unseen], liking))
        )
    simulated, popular = np.array(correlations).T
    return TruthAgreement(simulated, popular)


def _likings(
    truth: UserSimulator, histories: Histories, users: IntArray, everything: IntArray
) -> FloatArray:
    """How true users like every item, float32 (N, n_items)."""
    if isinstance(truth, TrueTasteUser):
        return truth.true_liking(histories, users)
    nothing = [np.full(len(history), np.nan, dtype=np.float32) for history in histories]
    return answers(truth, histories, users, nothing, everything).reward
