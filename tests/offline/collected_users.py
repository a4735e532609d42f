"""Users of a small world, from whom logs are collected."""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import IntArray
from llmrec_env.data.world.generated import generate_world
from llmrec_env.users.true_taste import TrueTasteUser

WORLD = generate_world(seed=2, n_items=30, n_users=12)
USERS = TrueTasteUser(WORLD, accept_rate=0.4)


class Shy(TrueTasteUser):
    """Users who answer about most items only."""

    unknown = np.array([2, 3, 29])

    def __init__(self) -> None:
        super().__init__(WORLD)

    def unknown_items(self, user: int) -> IntArray:
        return self.unknown
