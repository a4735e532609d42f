"""Writes a report as Markdown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from llmrec_env.reporting.elements import Element, Facts, Figure, Finding, Table, Text, Transcript
from llmrec_env.reporting.page import figure_files
from llmrec_env.reporting.report import Report
from llmrec_env.reporting.terminal import (
    VERDICTS,
    best_cells,
    cell_text,
    fact_text,
    is_numeric,
    masked_text,
)


def report_markdown(report: Report, folder: str | os.PathLike[str] | None = None) -> str:
    """The sections of a report as Markdown, every text escaped.

    Args:
        report: what a run found.
        folder: the run folder; figures that were drawn there are shown, by paths relative to it.
    """
    images = {id(figure): name for figure, name in figure_files(report)}
    drawn = {key: name for key, name in images.items() if folder and (Path(folder) / name).exists()}
    parts = [f"# {_escape(report.title)}", _escape(report.lede)]
    if report.command:
        parts.append(f"```console\n$ {report.command}\n```")
    for section in report.sections:
        parts += [f"## {_escape(section.title)}", _escape(section.lede)]
        for element in section.elements:
            parts += _element(element, drawn)
    return "\n\n".join(part for part in parts if part) + "\n"


def _element(element: Element, drawn: dict[int, str]) -> Iterator[str]:
    match element:
        case Text():
            yield _escape(element.text)
        case Facts():
            yield _lines(["", ""], [[k, fact_text(v)] for k, v in element.values.items()], {1})
        case Finding():
            mark = VERDICTS[element.holds][0]
            yield f"{mark} **{_escape(element.statement)}** {_escape(element.evidence)}"
        case Table():
            yield from _table(element)
        case Figure():
            yield f"**{_escape(element.title)}**"
            if id(element) in drawn:
                yield f"![{_escape(element.title)}]({drawn[id(element)]})"
            yield _escape(element.caption)
        case Transcript():
            yield f"**{_escape(element.title)}** {_escape(element.user)}"
            rows = [
                [
                    turn.item,
                    cell_text(turn.liking),
                    cell_text(turn.probability),
                    cell_text(turn.accepted),
                ]
                for turn in element.turns
            ]
            yield _lines(["shown", "liking", "taken with probability", "taken"], rows, {1, 2})


def _table(table: Table) -> Iterator[str]:
    yield f"**{_escape(table.title)}**"
    best = best_cells(table)
    rows = [
        [
            f"**{cell_text(cell, table.digits)}**"
            if (number, column) in best
            else cell_text(cell, table.digits)
            for column, cell in enumerate(row)
        ]
        for number, row in enumerate(table.rows)
    ]
    for row in rows:
        row[0] = f"{row[0]} (control)" if row[0] in table.controls else row[0]
    numeric = {column for column in range(len(table.columns)) if is_numeric(table, column)}
    yield _lines(list(table.columns), rows, numeric)
    yield " ".join(part for part in (masked_text(table.masked), _escape(table.note)) if part)


def _lines(header: list[str], rows: list[list[str]], right: set[int]) -> str:
    """A pipe table; the columns in ``right`` are set to the right."""
    rule = ["---:" if column in right else "---" for column in range(len(header))]
    lines = [[_cell(text) for text in header], rule, *([_cell(text) for text in r] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    bold = re.fullmatch(r"\*\*(.*)\*\*", text, re.DOTALL)
    inner = _escape(bold[1] if bold else text).replace("\n", " ")
    return f"**{inner}**" if bold else inner


def _escape(text: str) -> str:
    """Text from data as itself: it brings no markup and no cells of its own."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", text)
