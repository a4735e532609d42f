"""Every held-out step again, by the chance of taking, where the reward is another answer."""

from __future__ import annotations

import numpy as np

from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.fidelity.held_out import (
    COLUMNS,
    DIFFERENCE,
    OURS,
    POPULAR,
    popularity_wins,
    unseen_items,
)
from llmrec_env.evaluation.fidelity.orders import pair_wins
from llmrec_env.evaluation.intervals import Interval, clustered
from llmrec_env.users.base import UserSimulator


def taking_accuracy(
    simulator: UserSimulator, train: InteractionLog, held_out: InteractionLog, seed: int = 0
) -> dict[str, dict[str, Interval]] | None:
    """Pairwise accuracy of the chance of taking, asked as :func:`held_out_accuracy` asks rewards.

    Args:
        simulator: who answers.
        train: what popularity counts.
        held_out: users whose steps are predicted.
        seed: of the items never seen.

    Returns:
        By row ("simulator", "popularity", "difference"): "accuracy, uniform" and "accuracy,
        popular" with 95% intervals over users; None where the reward is the same answer, or the
        simulator is no LE.
    """
    from llmrec_env.users.language import LanguageUser

    if not isinstance(simulator, LanguageUser) or not simulator.reads_feedback:
        return None
    goes_on = held_out.row_goes_on
    following = np.roll(held_out.items, -1)  # after a user's last row it stands for nothing
    asked = np.column_stack([following, unseen_items(held_out, seed)])
    draws = simulator.draws(held_out, asked)  # in the order of the chances
    ours = pair_wins(draws[goes_on, 0], draws[goes_on, 1:])
    popular = popularity_wins(train, held_out, seed)
    owners = held_out.row_users[goes_on]
    rows = {OURS: ours, POPULAR: popular, DIFFERENCE: ours - popular}
    return {
        who: {name: clustered(own[:, place], owners) for place, name in enumerate(COLUMNS[:2])}
        for who, own in rows.items()
    }
