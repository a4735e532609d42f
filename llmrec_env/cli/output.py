"""Prints commands' results: tables, reports, and paths of saved files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmrec_env.common.files import local_path

if TYPE_CHECKING:
    from llmrec_env.reporting import Report

REPORTS = ("report.html", "results.md", "results.json")
"""Files that hold a run's report, the best to read first; the page needs the extra `report`."""


def typed(context: typer.Context) -> list[Any]:
    """The options and arguments of a command that stand on its command line."""
    return [
        parameter
        for parameter in context.command.params
        if (source := context.get_parameter_source(parameter.name or "")) is not None
        and source.name == "COMMANDLINE"
    ]


def typed_command(context: typer.Context) -> str:
    """The command line that a command was given, with every option that was typed."""
    words, above = [context.info_name or ""], context.parent
    while above is not None:  # the program may go by another name
        words.insert(0, (above.info_name or "") if above.parent else "llmrec")
        above = above.parent
    for parameter in typed(context):
        value = context.params[parameter.name or ""]
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            several = value if isinstance(value, list | tuple) else [value]
            words += [word for own in several for word in (parameter.opts[0], str(own))]
    return shlex.join(words)


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
