"""The page of fidelity shows the rows that were kept."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    """The names of the program that writes the tables."""
    return runpy.run_path(str(DOCS / "make_tables.py"), run_name="make_tables")


def test_the_tables_are_those_of_the_rows(program: dict[str, Any]) -> None:
    page = (DOCS / "fidelity.md").read_text(encoding="utf-8")
    assert program["filled"](page) == page, "run `python docs/make_tables.py`"


def test_every_file_of_rows_has_its_tables(program: dict[str, Any]) -> None:
    page = (DOCS / "fidelity.md").read_text(encoding="utf-8")
    shown = {name for _, name, _ in program["BLOCK"].findall(page)}
    assert shown >= {path.stem for path in program["ROWS"].glob("*.json")}


def test_a_row_is_told_with_its_interval(program: dict[str, Any], tmp_path: Path) -> None:
    told = {"mean": 0.25, "low": 0.2, "high": 0.3}
    cell = {
        "log": "",
        "question": "liking",
        "row": "ease",
        "metric": "Spearman",
        "metrics": {"Spearman": told},
        "splits": 2,
        "against": {"row": "mean", "mean": -0.01, "low": -0.02, "high": 0.0, "p": 0.0004},
        "seconds": {"learning": 1.5, "answering": 0.25},
    }
    rows = {"command": "llmrec bench fidelity", "cells": [cell]}
    (tmp_path / "small.json").write_text(json.dumps(rows))
    page = program["filled"]("<!-- rows: small -->\n<!-- end of rows -->", tmp_path)
    assert "| EASE (2 of 3 splits) | .250 [.200, .300] | -.010 [-.020, +.000] | < .001 |" in page
    assert program["filled"](page, tmp_path) == page
    rows["command"] += " --splits 2"
    (tmp_path / "small.json").write_text(json.dumps(rows))
    assert "| EASE | .250" in program["filled"](page, tmp_path)
