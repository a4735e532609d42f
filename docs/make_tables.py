"""Writes the tables of docs/fidelity.md from the rows beside it.

    python docs/make_tables.py                        # from docs/results/fidelity/*.json
    python docs/make_tables.py jester5k=runs/jester   # after taking over the rows of a run

A table stands between ``<!-- rows: NAME -->`` and ``<!-- end of rows -->``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmrec_env.common.files import read_json, write_json
from llmrec_env.experiments.fidelity.report import LOGS, grouped, label

DOCS = Path(__file__).resolve().parent
PAGE, ROWS = DOCS / "fidelity.md", DOCS / "results" / "fidelity"
BLOCK = re.compile(r"(<!-- rows: (\w+) -->\n).*?(<!-- end of rows -->)", re.DOTALL)


def filled(page: str, folder: Path = ROWS) -> str:
    """The page with the tables of the rows in a folder."""
    return BLOCK.sub(lambda block: block[1] + _tables(block[2], folder) + block[3], page)


def take_over(name: str, run: Path) -> None:
    """Keep the rows of a run beside the page, with a command that names no machine's folder."""
    rows = read_json(run / "rows.json")
    rows["command"] = re.sub(r"--data \S+", f"--data path/to/{name}", rows["command"])
    write_json(ROWS / f"{name}.json", rows, sort_keys=False)


def _tables(name: str, folder: Path) -> str:
    path = folder / f"{name}.json"
    if not path.exists():
        return "\nNot run yet.\n\n"
    table = read_json(path)
    lines = ["", "<!-- not run: it needs the publisher's files and learns for long -->"]
    lines += ["```bash", table["command"], "```", ""]
    for (log, question), cells in grouped(table).items():
        lines += [f"**{', '.join(filter(None, (question, LOGS.get(log, log))))}**", ""]
        metrics = [cells[0]["metric"], *(m for m in cells[0]["metrics"] if m != cells[0]["metric"])]
        header = ["", *metrics, f"{metrics[0]} less the best other", "p", "CPU s"]
        lines += [_line(header), _line(["---"] * len(header))]
        lines += [_line(_cells(cell, metrics)) for cell in cells] + [""]
    return "\n".join(lines)


def _cells(cell: Mapping[str, Any], metrics: list[str]) -> list[str]:
    against, seconds = cell["against"], cell["seconds"]
    apart = "" if against is None else f"{_shown(against, '+')}"
    p = "" if against is None else ("< .001" if against["p"] < 0.001 else _number(against["p"]))
    incomplete = "" if cell["splits"] == 3 else f" ({cell['splits']} of 3 splits)"
    cost = f"{seconds['learning']:,.1f} + {seconds['answering']:,.1f}"
    return [
        label(cell["row"]) + incomplete,
        *(_shown(cell["metrics"][metric]) for metric in metrics),
        apart,
        p,
        cost,
    ]


def _shown(value: Mapping[str, float], sign: str = "") -> str:
    mean, low, high = (_number(value[end], sign) for end in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def _number(value: float, sign: str = "") -> str:
    return re.sub(r"^([+-]?)0\.", r"\1.", f"{value:{sign}.3f}")


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    ROWS.mkdir(parents=True, exist_ok=True)
    for argument in sys.argv[1:]:
        take_over(
            *(kind(part) for kind, part in zip((str, Path), argument.split("="), strict=True))
        )
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
