"""The tables of a report as Markdown, to stand in a page of documentation."""

from __future__ import annotations

from llmrec_env.reporting.elements import Cell, Finding, Table, Text
from llmrec_env.reporting.report import Report
from llmrec_env.reporting.tables import best_cells, cell_text, is_numeric, masked_text

MARKS = {True: "holds", False: "does not hold", None: "not tested"}


def report_markdown(report: Report) -> str:
    """Title, command, findings, paragraphs and tables of a report; figures are left out."""
    parts = [f"# {_escape(report.title)}", _escape(report.lede)]
    if report.command:
        parts.append(_code(report.command))
    for section in report.sections:
        shown = [_element(element) for element in section.elements]
        if any(shown):
            parts += [f"## {_escape(section.title)}", _escape(section.lede), *shown]
    return "\n\n".join(part for part in parts if part) + "\n"


def table_markdown(table: Table) -> str:
    """A table with its note: the best values in bold, controls in italics."""
    best = best_cells(table)
    marks = ["---:" if is_numeric(table, column) else "---" for column in range(len(table.columns))]
    lines = [[_escape(name) for name in table.columns], marks]
    for number, row in enumerate(table.rows):
        cells = [_cell(cell, table.digits, (number, i) in best) for i, cell in enumerate(row)]
        if row[0] in table.controls:
            cells[0] = f"*{cells[0]}*"
        lines.append(cells)
    shown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    controls = "Rows in italics are controls." if table.controls else ""
    below = [masked_text(table.masked), controls, table.note]
    told = _escape(" ".join(part for part in below if part))
    return "\n\n".join(part for part in (f"**{_escape(table.title)}**", shown, told) if part)


def _element(element: object) -> str:
    match element:
        case Table():
            return table_markdown(element)
        case Text(text=text):
            return _escape(text)
        case Finding():
            evidence = f": {_escape(element.evidence)}" if element.evidence else ""
            return f"- {_escape(element.claim)} (**{MARKS[element.holds]}**){evidence}"
    return ""


def _cell(cell: Cell, digits: int, bold: bool) -> str:
    text = _escape(cell_text(cell, digits)).replace("\n", " ")
    return f"**{text}**" if bold else text


def _escape(text: str) -> str:
    """Data may hold marks of Markdown or HTML; here they are letters."""
    escaped = text.replace("\\", "\\\\")
    for mark in "|*_`<[#":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped


def _code(text: str) -> str:
    return f"    {text}"
