"""Writes the tables of docs/fidelity.md, docs/results/leave_last_out.md and docs/guides/card.md.

    python docs/make_tables.py                        # from docs/results/{fidelity,cards,…}/*.json
    python docs/make_tables.py jester5k=runs/jester   # after taking over the rows of a run
    python docs/make_tables.py jester5k=users/jester5k    # or the card of a simulator

A table stands between ``<!-- rows: NAME -->`` and ``<!-- end of rows -->``. The rows of a run name
its program, and with it the page.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llmrec_env.common.files import read_json, write_json
from llmrec_env.experiments.fidelity.report import LOGS, grouped, label

DOCS = Path(__file__).resolve().parent
PAGE, ROWS = DOCS / "fidelity.md", DOCS / "results" / "fidelity"
LAST_OUT_PAGE, LAST_OUT_ROWS = (DOCS / "results" / f"leave_last_out{end}" for end in (".md", ""))
LAST_OUT = DOCS.parent / "benchmarks" / "leave_last_out.py"
CARDS_PAGE, CARDS = DOCS / "guides" / "card.md", DOCS / "results" / "cards"
CARD_TABLES = runpy.run_path(str(DOCS / "card_tables.py"), run_name="card_tables")
PUBLISHED = ".published"
BLOCK = re.compile(r"(<!-- rows: (\w+) -->\n).*?(<!-- end of rows -->)", re.DOTALL)
SPLITS = re.compile(r"--splits (\d+)")
CHOICES = "What validation chose among, the chosen in bold:"
NOT_RUN = "<!-- not run: it needs the publisher's files and learns for long -->"


def filled(page: str, folder: Path = ROWS) -> str:
    """The page of fidelity with the tables of the rows in a folder."""
    return _filled(page, folder, _tables)


def last_out_filled(page: str, folder: Path = LAST_OUT_ROWS) -> str:
    """The page of leave-last-out with the tables of the rows in a folder."""
    return _filled(page, folder, _last_out_table)


def cards_filled(page: str, folder: Path = CARDS) -> str:
    """The page of cards with the tables of the cards in a folder."""
    return _filled(page, folder, lambda _, kept: CARD_TABLES["tables"](kept))


def take_over(name: str, run: Path) -> None:
    """Keep the rows of a run, or a card, beside their page, with a command that names no machine's
    folder."""
    if (run / "card.json").is_file():
        CARD_TABLES["take_over"](name, run, CARDS)
        return
    rows = read_json(run / "rows.json")
    rows["command"] = re.sub(r"(--data) \S*?([^/\s]+)(?=\s|$)", r"\1 path/to/\2", rows["command"])
    models = r"(--base-model|--item-encoder) \S*?([^/\s]+/[^/\s]+)(?=\s|$)"
    rows["command"] = re.sub(models, r"\1 path/to/\2", rows["command"])
    folder = LAST_OUT_ROWS if LAST_OUT.name in rows["command"] else ROWS
    write_json(folder / f"{name}.json", _without_places(rows), sort_keys=False)


def _without_places(value: Any, name: str = "") -> Any:
    """Rows in which no model is named by a folder of the machine."""
    if isinstance(value, Mapping):
        return {key: _without_places(own, key) for key, own in value.items()}
    if isinstance(value, list):
        return [_without_places(own) for own in value]
    if name in ("base_model", "item_encoder") and isinstance(value, str):
        return re.sub(r"^/.*?([^/]+/[^/]+)$", r"path/to/\1", value)
    return value


def _filled(page: str, folder: Path, tables: Callable[[str, Path], str]) -> str:
    return BLOCK.sub(lambda block: block[1] + tables(block[2], folder) + block[3], page)


def _last_out_table(name: str, folder: Path) -> str:
    found, published = folder / f"{name}.json", folder / f"{name}{PUBLISHED}.json"
    rows = read_json(found)
    quoted = read_json(published) if published.exists() else None
    program = runpy.run_path(str(LAST_OUT), run_name="benchmark")
    tables = [program["table"](rows, quoted), CHOICES, "", program["choices"](rows)]
    return "\n".join(["", NOT_RUN, "```bash", rows["command"], "```", "", *tables, ""])


def _tables(name: str, folder: Path) -> str:
    path = folder / f"{name}.json"
    if not path.exists():
        return "\nNot run yet.\n\n"
    table = read_json(path)
    asked = SPLITS.search(table["command"])
    splits = int(asked[1]) if asked else 3
    lines = ["", NOT_RUN, "```bash", table["command"], "```", ""]
    for (log, question), cells in grouped(table).items():
        lines += [f"**{', '.join(filter(None, (question, LOGS.get(log, log))))}**", ""]
        metrics = [cells[0]["metric"], *(m for m in cells[0]["metrics"] if m != cells[0]["metric"])]
        header = ["", *metrics, f"{metrics[0]} less the best other", "p", "CPU s"]
        lines += [_line(header), _line(["---"] * len(header))]
        lines += [_line(_cells(cell, metrics, splits)) for cell in cells] + [""]
    return "\n".join(lines)


def _cells(cell: Mapping[str, Any], metrics: list[str], splits: int) -> list[str]:
    against, seconds = cell["against"], cell["seconds"]
    apart = "" if against is None else f"{_shown(against, '+')}"
    p = "" if against is None else ("< .001" if against["p"] < 0.001 else _number(against["p"]))
    incomplete = "" if cell["splits"] == splits else f" ({cell['splits']} of {splits} splits)"
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
    for kept in (ROWS, LAST_OUT_ROWS, CARDS):
        kept.mkdir(parents=True, exist_ok=True)
    for argument in sys.argv[1:]:
        take_over(
            *(kind(part) for kind, part in zip((str, Path), argument.split("="), strict=True))
        )
    pages = ((PAGE, filled), (LAST_OUT_PAGE, last_out_filled), (CARDS_PAGE, cards_filled))
    for path, fill in pages:
        path.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")
