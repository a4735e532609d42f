"""A tiny log of two kinds of people who rate two kinds of items."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec_env.common.arrays import FloatArray
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog

N_ITEMS, N_USERS, HELD_OUT = 24, 240, 40


def taste(seed: int = 0) -> FloatArray:
    """Ratings of all items by all users, in -10 to 10: two kinds of people, two of items."""
    rng = np.random.default_rng(seed)
    people, items = rng.choice([-1, 1], N_USERS), rng.choice([-1, 1], N_ITEMS)
    common = rng.normal(0, 2, N_ITEMS)
    noise = rng.normal(0, 1.5, (N_USERS, N_ITEMS))
    ratings = 4 * people[:, None] * items + common + noise
    return np.clip(ratings, -10, 10).astype(np.float32)


def rated_log(seed: int = 0, timed: bool = False) -> InteractionLog:
    """Half of the users rated everything, the others 20 items."""
    rng, ratings = np.random.default_rng(seed), taste(seed)
    catalogue = Catalogue(
        pl.DataFrame(
            {
                "item_id": [f"i{i}" for i in range(N_ITEMS)],
                "title": [f"thing {i}" for i in range(N_ITEMS)],
            }
        )
    )
    rows = []
    for user in range(N_USERS):
        count = N_ITEMS if user % 2 else 20
        items = rng.permutation(N_ITEMS)[:count]
        rows += [(f"u{user}", f"i{item}", float(ratings[user, item])) for item in items]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "rating"], orient="row")
    if timed:
        table = table.with_columns(time=pl.int_range(pl.len()))
    return InteractionLog.from_table(catalogue, table)
