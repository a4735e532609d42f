"""The program that makes the table of agents: rows, failures, and what it counts."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.core
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    """Its names."""
    return runpy.run_path(str(ROOT / "benchmarks" / "agents_table.py"), run_name="benchmark")


def test_a_case_runs_its_example_and_gives_a_row(program: dict[str, Any], tmp_path: Path) -> None:
    case = next(case for case in program["CASES"] if case.name == "popular items, masked")
    row = program["run"](case, "TRUE", seed=0, episodes=5, log=tmp_path / "log", timeout=120)
    assert row.failure is None
    assert set(row.returns) == {"random", "greedy"}
    options = "--masks --id LLMRec/TrueTaste-v1 --episodes 5"
    assert row.command == f"python examples/popular.py {options}"
    assert "return" in (tmp_path / "log").read_text()
    text = program["table"]([vars(row)])
    assert f"{row.returns['greedy']:.2f} ± {row.errors['greedy']:.2f}" in text
    assert "not run" in text, "nothing among LE users"


def test_a_failure_is_a_row(program: dict[str, Any], tmp_path: Path) -> None:
    case = program["Case"]("none", "popular.py", ("--no-such-option",), steps=0)
    row = program["run"](case, "LE", seed=0, episodes=5, log=tmp_path / "log", timeout=60)
    assert "--no-such-option" in row.failure
    assert "failed" in program["table"]([vars(row)])
    json.dumps(vars(row))


def test_rows_are_kept_in_one_file(program: dict[str, Any], tmp_path: Path) -> None:
    row = {"case": "popular items", "actions": "items", "users": "LE", "seed": 0, "steps": 0}
    newer, other = row | {"steps": 1}, row | {"users": "TRUE"}
    assert program["merged"]([row, other], [newer]) == [newer, other]
    (tmp_path / "a.json").write_text(json.dumps(other))
    (tmp_path / "b.json").write_text(json.dumps(row))
    assert program["read_rows"](tmp_path) == [row, other]


def test_lines_of_user_code_are_those_with_code(program: dict[str, Any], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    text = '"""Says\nmuch."""\n\n# a comment\nx = 1\n\n\ndef f():\n    """Text."""\n    return x\n'
    script.write_text(text)
    assert program["user_lines"](script) == 3


def test_every_case_has_its_example(program: dict[str, Any]) -> None:
    for case in program["CASES"]:
        assert (ROOT / "examples" / case.example).is_file()
        assert set(case.where) == set(program["USERS"])


def test_the_page_shows_the_rows_that_were_kept(program: dict[str, Any]) -> None:
    kept = program["read_rows"](ROOT / "docs" / "results" / "agents" / "rows.json")
    assert program["table"](kept) in (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    assert all(row["command"].startswith("python examples/") for row in kept)
