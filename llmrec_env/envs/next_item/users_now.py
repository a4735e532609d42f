"""``UsersNow``: N users as they are now, for what chooses items among them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.envs.next_item.seen import SeenItems
from llmrec_env.envs.next_item.shown import ShownItems


class UsersNow(NamedTuple):
    """N users as they are now. Read it, do not change it.

    Attributes:
        states: float32 (N, state_size).
        recent: int64 (N, history_length), the last items taken, padded on the left with n_items.
        seen: the items that each has seen.
        shown: the items that each was shown in this episode, or None where nobody looks.
    """

    states: FloatArray
    recent: IntArray
    seen: SeenItems
    shown: ShownItems | None

    @property
    def rows(self) -> IntArray:
        """0 to N - 1, int64 (N,)."""
        return np.arange(len(self.states))
