"""The files of a collected log: their names, and what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import read_json
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.parquet import read_parquet

STEPS, EPISODES, ABOUT = "steps.parquet", "episodes.parquet", "collection.json"
INTERACTIONS, ITEMS = "interactions.parquet", "items.parquet"


def read_columns(folder: Path) -> dict[str, Any]:
    """The fields of the ``CollectedLog`` that a folder holds.

    Raises:
        DataError: it holds none, or one of its files is damaged.
    """
    _check_files(folder)
    catalogue = Catalogue.load(folder / ITEMS)
    steps, episodes = read_parquet(folder / STEPS), read_parquet(folder / EPISODES)
    lengths = np.bincount(steps["episode"].to_numpy(), minlength=episodes.height)
    ends = steps.filter(pl.col("terminated") | pl.col("truncated"))
    return {
        "catalogue": catalogue,
        "user_ids": episodes["user_id"],
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "items": catalogue.index_of(steps["item_id"]),
        "propensities": steps["propensity"].to_numpy(),
        "rewards": steps["reward"].to_numpy(),
        "accepted": steps["accepted"].to_numpy(),
        "observations": steps["observation"].to_numpy(),
        "last_observations": episodes["last_observation"].to_numpy(),
        "terminated": ends["terminated"].to_numpy(),
        "histories": _indices(episodes["initial_history"], catalogue),
        "about": read_json(folder / ABOUT),
        "unknown": _indices(episodes["unknown_items"], catalogue),
    }


def _indices(lists: pl.Series, catalogue: Catalogue) -> tuple[IntArray, ...]:
    """The item indices of lists of ids."""
    ends = np.cumsum(lists.list.len().to_numpy())[:-1]
    return tuple(np.split(catalogue.index_of(lists.explode().drop_nulls()), ends))


def _check_files(folder: Path) -> None:
    missing = [name for name in (STEPS, EPISODES, ABOUT, ITEMS) if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} holds no collected log: it lacks {', '.join(missing)}; `llmrec collect` "
            "makes such folders"
        )
