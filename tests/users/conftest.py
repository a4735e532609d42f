"""A little catalogue, its log, and scripted servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from word_servers import Script, ScriptedServer, scripted_servers

from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog

NAMES = ["Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gil", "Hal", "Ida", "Jo", "Kit", "Lu"]
N_ITEMS = len(NAMES)
USERS = 10


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no proxy and nobody else's cache."""
    for name in (*os.environ,):
        if name.lower().endswith("_proxy") or name.startswith("OPENAI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    """Starts servers that answer as a script says."""
    with scripted_servers() as start:
        yield start


@pytest.fixture(scope="session")
def log() -> InteractionLog:
    """Ten users who took six of twelve books each, rated 1 to 5."""
    table = pl.DataFrame(
        {
            "item_id": [f"b{i}" for i in range(N_ITEMS)],
            "title": [f"The Tale of {name}" for name in NAMES],
        }
    )
    rng = np.random.default_rng(0)
    rows = [
        {"user_id": f"u{user}", "item_id": f"b{item}", "time": when, "rating": 1.0 + item % 5}
        for user in range(USERS)
        for when, item in enumerate(rng.permutation(N_ITEMS)[:6])
    ]
    return InteractionLog.from_table(Catalogue(table), pl.DataFrame(rows))
