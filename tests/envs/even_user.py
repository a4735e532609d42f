"""A simulated user whose every answer is known."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.base import Histories, HistoryUser, Response

N_ITEMS = 12
SEQUENCES = {"ann": [0, 1, 2, 6, 7], "bob": [3, 4, 5, 8], "eve": [9, 10, 11]}
"""ann opens with 0, 1, 2 and bob with 3, 4, 5; eve has too few items to start an episode."""


def make_log(
    sequences: dict[str, list[int]], n_items: int = N_ITEMS, titles: list[str] | None = None
) -> InteractionLog:
    """A log over items ``i0``, ``i1``, … from each user's item indices."""
    ids = [f"i{item}" for item in range(n_items)]
    catalogue = Catalogue(pl.DataFrame({"item_id": ids, "title": titles or ids}))
    rows = [(user, ids[item]) for user, items in sequences.items() for item in items]
    return InteractionLog.from_table(
        catalogue, pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    )


class EvenUser(HistoryUser):
    """Takes every even item and no odd one; likes item ``i`` by ``i / 100``."""

    state_size = 2
    PATIENCE_LEFT, STEPS_LEFT, LAST_ANSWER = 2, 3, 4
    """Places in an observation, after the state."""

    def __init__(self, users: InteractionLog) -> None:
        self.catalogue = users.catalogue
        self.users = users

    def encode(self, histories: Histories) -> FloatArray:
        """Says how many items the user took."""
        return np.array([(0.6, 1.0 / len(items)) for items in histories], dtype=np.float32)

    def answer(self, histories: Histories, actions: IntArray) -> Response:
        """The same for everyone."""
        even = (actions % 2 == 0).astype(np.float32)
        return Response((actions / 100).astype(np.float32), even)
