"""Prints commands' results: tables, reports, and paths of saved files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmrec_env.common.files import local_path

if TYPE_CHECKING:
    from llmrec_env.reporting import Report

REPORTS = ("report.html", "results.md", "results.json")
"""Files that hold a run's report, the best to read first; the page needs the extra `report`."""


def print_line(text: str) -> None:
    """Print a line as it is; the terminal may wrap it, so that a path in it can be copied."""
    Console().print(text, markup=False, emoji=False, soft_wrap=True)


def print_rows(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table with one column a row: there are more metrics than things to compare."""
    corner, *metrics = rows[0]
    table = Table(title=Text(title))
    table.add_column(corner)
    for row in rows:
        table.add_column(Text(str(row[corner])), justify="right")
    for name in metrics:
        values = (row[name] for row in rows)
        cells = (f"{v:.4f}" if isinstance(v, float) else str(v) for v in values)
        table.add_row(Text(name), *map(Text, cells))
    Console().print(table)


def print_report(report: Report, folder: Path) -> None:
    """Print the report of a run, and where it can be read again."""
    report.print(Console())
    pages = [path for name in REPORTS if (path := local_path(folder) / name).exists()]
    print_line(f"\nReport: {pages[0]}")
