"""The page of cards shows the cards that were kept."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from llmrec_env.evaluation.fidelity import FidelityCard

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    """The names of the program that writes the tables."""
    return runpy.run_path(str(DOCS / "make_tables.py"), run_name="make_tables")


def test_the_tables_are_those_of_the_cards(program: dict[str, Any]) -> None:
    page = (DOCS / "guides" / "card.md").read_text(encoding="utf-8")
    assert program["cards_filled"](page) == page, "run `python docs/make_tables.py`"
    for path in program["CARDS"].glob("*.json"):
        assert path.stem in program["CARD_TABLES"]["LOGS"]


def test_a_goal_that_is_missed_is_told(program: dict[str, Any], tmp_path: Path) -> None:
    take_over, tables = (program["CARD_TABLES"][name] for name in ("take_over", "tables"))
    source = next(program["CARDS"].glob("*.json"))
    kept = program["CARD_TABLES"]["read_json"](source)
    command = kept.pop("command")
    card = FidelityCard.from_json(kept)
    for ece, told in ((0.029, "reached"), (0.031, "**missed**")):
        curve = kept["calibration"][card.judged_against]
        curve["ece"] = [ece, ece, ece]
        write = program["CARD_TABLES"]["write_json"]
        write(tmp_path / "card.json", kept)
        write(tmp_path / "card" / "config.json", {"command": command})
        take_over(source.stem, tmp_path, tmp_path / "kept")
        page = tables(tmp_path / "kept")
        assert command in page
        assert re.search(rf"\.0{round(ece * 1000)} \[.*\| {re.escape(told)} \|", page)
