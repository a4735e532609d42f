"""A small catalogue, its users, and a simulator of two functions."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.data import Catalogue, InteractionLog
from llmrec_env.users.base import Histories, HistoryUser, Response, UserSimulator

N_ITEMS = 12


class Fan(HistoryUser):
    """Likes items near the newest ones on a circle."""

    def __init__(self, log: InteractionLog) -> None:
        self.catalogue = log.catalogue
        self.users = log
        angle = 2 * np.pi * np.arange(log.n_items) / log.n_items
        self._places = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
        self.state_size = 2

    def encode(self, histories: Histories) -> FloatArray:
        return np.stack([self._places[h[-3:]].mean(axis=0) for h in histories])

    def answer(self, histories: Histories, actions: IntArray) -> Response:
        liking = (self.encode(histories) * self._places[actions]).sum(axis=1) / 2 + 0.5
        return Response(liking, liking / 2)

    def preferences(self, states: FloatArray) -> FloatArray:
        return states @ self._places.T


class Silent(Fan):
    """Answers, but names no items."""

    preferences = UserSimulator.preferences


def make_log(
    sequences: list[list[int]], n_items: int = N_ITEMS, **feedback: list
) -> InteractionLog:
    catalogue = Catalogue(pl.DataFrame({"item_id": [f"i{i}" for i in range(n_items)]}))
    rows = [(f"u{u}", f"i{i}") for u, items in enumerate(sequences) for i in items]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    return InteractionLog.from_table(
        catalogue,
        table.with_columns(**{name: pl.Series(values) for name, values in feedback.items()}),
    )
