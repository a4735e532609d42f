"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec_env.data.world.generated import generate_world


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Base models are made anew, and nothing stays behind."""
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small log in the plain format, as a user would bring it."""
    folder = tmp_path_factory.mktemp("data")
    log = generate_world(seed=1, n_items=60, n_users=60).log
    log.to_table().write_csv(folder / "interactions.csv")
    log.catalogue.table.write_csv(folder / "items.csv")
    return folder
