"""How often users take an item again, and whether seen items are therefore masked in rankings."""

from __future__ import annotations

import numpy as np

from llmrec_env.data.log import InteractionLog

RARE = 0.01
"""Share of repeats below which a log is one in which nothing is taken twice."""


def repeat_share(log: InteractionLog) -> float:
    """Share of a log's interactions whose item the same user took before; 0 for an empty log."""
    if not len(log):
        return 0.0
    pairs = log.row_users * log.n_items + log.items
    return 1.0 - len(np.unique(pairs)) / len(log)


def masks_seen(log: InteractionLog, wanted: bool | None = None) -> bool:
    """Whether a ranking of this log's users leaves out what they have seen.

    Args:
        log: the users to learn from.
        wanted: what was asked for; None: yes where repeats are rarer than :data:`RARE`, since an
            item that is never taken again is no candidate there, and hides what a ranker knows.
    """
    return repeat_share(log) < RARE if wanted is None else wanted
