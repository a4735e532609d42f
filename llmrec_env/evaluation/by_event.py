"""Next-item ranking of click steps and of purchase steps, each by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrec_env.common.errors import DataError
from llmrec_env.data.events import purchased
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import Ranker, held_out_rows, ranking_metrics, step_ranks


def evaluate_by_event(
    ranker: Ranker,
    log: InteractionLog,
    ks: Sequence[int] = (5, 10, 20),
    mask_seen: bool = False,
    batch_users: int = 64,
) -> dict[str, dict[str, float]]:
    """Rank the logged next item where it was clicked, and where it was bought.

    The SQN line of work reports these two (arXiv 2006.05779). A step is of the kind of the event
    with which the user took the item that is to be ranked (:mod:`llmrec_env.data.events`).

    Args:
        ranker, log, ks, mask_seen, batch_users: as of :func:`evaluate_ranking`.

    Returns:
        ``{"all": …, "click": …, "purchase": …}``, each as from :func:`evaluate_ranking`; a kind
        without a step is absent.

    Raises:
        DataError: the log tells no events, one is of no known kind, or no step is held out.
    """
    if "event" not in log.feedback.columns:
        raise DataError(
            f"this log has no column 'event' (it has {log.feedback.columns}), so clicks and "
            "purchases cannot be told apart; use evaluate_ranking"
        )
    bought = purchased(log.feedback["event"])[held_out_rows(log)]
    ranks = step_ranks(ranker, log, mask_seen, batch_users)
    kinds = {"all": np.ones_like(bought), "click": ~bought, "purchase": bought}
    return {
        kind: {**ranking_metrics(ranks[steps], ks), "mask_seen": mask_seen}
        for kind, steps in kinds.items()
        if steps.any()
    }
