"""A small world for the agents: real logs, a real simulated user, networks of width 16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from agents import RecommenderConfig
from agents.objectives import FRAMEWORKS
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import generate_world
from llmrec_env.users.true_taste import TrueTasteUser

MakeLog = Callable[..., InteractionLog]
MakeConfig = Callable[..., RecommenderConfig]


@pytest.fixture(scope="session")
def make_log() -> MakeLog:
    """Build a log from item sequences."""

    def make(sequences: list[list[int]], n_items: int, **feedback: list[Any]) -> InteractionLog:
        rows = [(f"u{u}", f"i{i}") for u, items in enumerate(sequences) for i in items]
        table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
        catalogue = Catalogue(pl.DataFrame({"item_id": [f"i{i}" for i in range(n_items)]}))
        columns = {name: pl.Series(values) for name, values in feedback.items()}
        return InteractionLog.from_table(catalogue, table.with_columns(**columns))

    return make


@pytest.fixture(scope="session")
def cycle_log(make_log: MakeLog) -> InteractionLog:
    """Users who always take the next item of a cycle of 12."""
    rng = np.random.default_rng(0)
    starts = rng.integers(12, size=40)
    return make_log([[(s + i) % 12 for i in range(5)] for s in starts.tolist()], n_items=12)


@pytest.fixture(scope="session")
def user() -> TrueTasteUser:
    """The true users of a small generated world."""
    return TrueTasteUser(generate_world(seed=0, n_items=40, n_users=30))


@pytest.fixture(scope="session")
def tiny() -> MakeConfig:
    """Settings of a network that learns in milliseconds."""

    def make(**settings: Any) -> RecommenderConfig:
        small = {"dim": 16, "dropout": 0.0, "weight_decay": 0.0, "batch_size": 64, "epochs": 2}
        small |= {"max_length": 8, "augment_k": 3}
        if hasattr(FRAMEWORKS.make(settings.get("objective", "supervised")), "negatives"):
            small["negatives"] = 4
        return RecommenderConfig.of(**{**small, **settings})

    return make
