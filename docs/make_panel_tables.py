"""Writes the tables of judges of docs/policy_ranking.md from the panels in docs/results.

    python docs/make_panel_tables.py                              # from docs/results/policies_*
    python docs/make_panel_tables.py uniform=runs/policies_uniform    # after taking over a panel

A table stands between ``<!-- panels: NAME … -->`` and ``<!-- end of panels -->``.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.experiments.policy_ranking.judges import JUDGES

DOCS = Path(__file__).resolve().parent
PAGE, RESULTS = DOCS / "policy_ranking.md", DOCS / "results"
KEPT = ("policies.csv", "judges.csv")
NOT_RUN = "<!-- not run: minutes; tests/study/test_policy_panel.py runs it small -->"
BLOCK = re.compile(r"(<!-- panels: ([\w ]+) -->\n).*?(<!-- end of panels -->)", re.DOTALL)
PLACE = re.compile(r"(?<![\w.])/[^\s`\"']*/([^/\s`\"']+)")


def filled(page: str, results: Path = RESULTS) -> str:
    """The page with the tables of the panels in a folder."""
    return BLOCK.sub(lambda block: block[1] + _table(block[2].split(), results) + block[3], page)


def take_over(name: str, run: Path) -> None:
    """Keep a panel's tables and figures beside the page, with no folder of the machine in them."""
    folder = RESULTS / f"policies_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    told = (run / "results.md").read_text(encoding="utf-8")
    told = PLACE.sub(r"path/to/\1", told).replace("```console", f"{NOT_RUN}\n```console")
    (folder / "results.md").write_text(told, encoding="utf-8")
    for kept in KEPT:
        if (run / kept).exists():
            shutil.copy(run / kept, folder / kept)
    if (run / "figures").is_dir():
        shutil.copytree(run / "figures", folder / "figures", dirs_exist_ok=True)


def _table(names: list[str], results: Path) -> str:
    """One row a judge that any of these panels has: tau, tau of the better half and regret."""
    panels = {name: _judges(results / f"policies_{name}") for name in names}
    judges = [judge for judge in JUDGES if any(judge in rows for rows in panels.values())]
    lines = ["", _line(["judge", *names]), _line(["---"] * (1 + len(names)))]
    for judge in judges:
        cells = [_cell(rows.get(judge)) for rows in panels.values()]
        lines.append(_line([JUDGES[judge].label, *cells]))
    return "\n".join([*lines, "", ""])


def _judges(folder: Path) -> dict[str, dict[str, Any]]:
    rows = pl.read_csv(folder / "judges.csv").to_dicts()
    return {row["judge"]: row for row in rows}


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["tau"] is None or row["tau"] != row["tau"]:
        return "tells nothing"
    taus = (re.sub(r"^(-?)0\.", r"\1.", f"{row[key]:.2f}") for key in ("tau", "tau_better"))
    return f"{' / '.join(taus)} / {row['regret']:.1%}"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        panel, place = argument.split("=", 1)
        take_over(panel, Path(place))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
