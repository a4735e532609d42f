"""Prompted rows of a table of fidelity: on a sample that all rows share, killed and continued."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chat_server import ChatServer, Script
from rated_world import rated_log

from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.experiments.fidelity import FidelitySettings, run_fidelity

for extra in ("openai", "scipy", "matplotlib", "jinja2"):
    pytest.importorskip(extra)

USERS, ITEMS = 6, 6
ASKED = USERS * ITEMS + USERS * 2 * 3
"""Questions of one row: of liking, and of taking at two steps with three items each."""
Serve = Callable[[Script], ChatServer]


def answer(messages: list[dict[str, str]]) -> tuple[int, str]:
    """A person who likes and takes things of a low number."""
    number = int(re.findall(r"thing (\d+)</item>", messages[-1]["content"])[-1])
    if "Yes or No" in messages[-1]["content"]:
        return 200, "Yes" if number < 12 else "No"
    return 200, str(1 + number % 5)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> FidelitySettings:
    folder = tmp_path_factory.mktemp("log")
    log = rated_log(timed=True)
    log.to_table().write_csv(folder / "interactions.csv")
    log.catalogue.table.write_csv(folder / "items.csv")
    return FidelitySettings(
        data=str(folder),
        rows=("popularity", "prompted", "prompted-few"),
        splits=1,
        protocol="rated",
        users=USERS,
        candidates=ITEMS,
        base_url="http://127.0.0.1:1/v1",
        prompt_model="judge",
    )


def row_of(run: Path, name: str) -> dict[str, Any]:
    """What a row found."""
    found: dict[str, Any] = json.loads((run / "rows" / name / "0" / "row.json").read_text())
    return found["questions"]  # type: ignore[no-any-return]


def test_every_row_is_asked_about_the_same_users(
    serve: Serve, settings: FidelitySettings, tmp_path: Path
) -> None:
    server = serve(answer)
    run_fidelity(replace(settings, base_url=server.url), tmp_path / "run", workers=1)
    for question in ("liking", "taking"):
        tables = [
            pl.read_parquet(tmp_path / "run" / "rows" / name / "0" / f"users-{question}.parquet")
            for name in settings.rows
        ]
        assert tables[0].height == USERS
        for table in tables[1:]:
            assert table["user_id"].to_list() == tables[0]["user_id"].to_list()
            assert table["steps"].to_list() == tables[0]["steps"].to_list()
    for name, turns in (("prompted", 0), ("prompted-few", 4)):
        found = row_of(tmp_path / "run", name)
        assert sum(own["usage"]["questions"] for own in found.values()) == ASKED
        assert found["liking"]["settings"]["shots"] == turns
    lengths = {len(request["messages"]) for request in server.asked}
    assert lengths == {2, 2 + 2 * 4}, "a system message, four answers of others, the question"
    assert all(" of 5\n" in request["messages"][-1]["content"] for request in server.asked)


def test_answers_of_a_run_that_broke_off_are_kept(
    serve: Serve, settings: FidelitySettings, tmp_path: Path
) -> None:
    requests: list[object] = []

    def script(messages: list[dict[str, str]]) -> tuple[int, str]:
        requests.append(messages)
        return (400, "") if len(requests) > limit else answer(messages)

    limit = 60
    own = replace(settings, rows=("prompted",), base_url=serve(script).url)
    with pytest.raises(SimulatorError, match="400"):
        run_fidelity(own, tmp_path / "run", workers=1)
    limit = 1000
    run_fidelity(own, tmp_path / "run", workers=1)
    usage = [found["usage"] for found in row_of(tmp_path / "run", "prompted").values()]
    assert sum(one["cached"] for one in usage) >= 60 - 8 * 3, "8 at once, each in 3 ways at first"
    assert not list((tmp_path / "run" / "working").rglob("answers.sqlite"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_url": None}, "the row prompted needs --base-url: the address of"),
        ({"prompt_model": None}, "the row prompted needs --prompt-model: the name by which"),
        ({"base_url": "localhost:8000"}, "base_url must begin with http://"),
        ({"users": 0}, "users must be at least 1, got 0"),
        ({"candidates": 4}, "candidates must be at least 5, got 4"),
    ],
)
def test_what_is_missing_is_said_before_anything_begins(
    settings: FidelitySettings, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        replace(settings, **change)
