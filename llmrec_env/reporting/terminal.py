"""Prints a report in the terminal, and formats table cells as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text as RichText

from llmrec_env.reporting.elements import (
    Cell,
    Curves,
    Element,
    Estimate,
    Facts,
    Figure,
    Finding,
    Table,
    Text,
    Transcript,
)

WIDE_CONSOLE = 120  # columns; in a narrower one, intervals go below their numbers
SPARKS = "▁▂▃▄▅▆▇█"
VERDICTS = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}


def cell_text(cell: Cell, digits: int = 3) -> str:
    """A cell as a person reads it: ``12,345``, ``0.123 ± 0.004``, ``0.123 [0.110, 0.136]``."""
    match cell:
        case None | Estimate(mean=None):
            return "–"
        case bool():
            return "yes" if cell else "no"
        case int():
            return f"{cell:,}"
        case float():
            return f"{cell:,.{digits}f}"
        case Estimate(mean=mean) if mean is not None:
            return f"{mean:,.{digits}f} {spread_text(cell, digits)}".strip()
    return str(cell)


def spread_text(cell: Cell, digits: int = 3) -> str:
    """How sure an estimate is, as text; empty for other cells."""
    match cell:
        case Estimate(low=low, high=high) if low is not None and high is not None:
            return f"[{low:,.{digits}f}, {high:,.{digits}f}]"
        case Estimate(sd=sd) if sd is not None:
            return f"± {sd:,.{digits}f}"
    return ""


def fact_text(cell: Cell) -> str:
    """A fact as text: like a cell, with four significant digits."""
    return f"{cell:,.4g}" if isinstance(cell, float) else cell_text(cell)


def number_of(cell: Cell) -> float | None:
    """The number in a cell, or None."""
    if isinstance(cell, Estimate):
        return cell.mean
    return None if isinstance(cell, (bool, str)) or cell is None else float(cell)


def is_numeric(table: Table, column: int) -> bool:
    """Whether a column holds numbers, and so is set to the right."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(number_of(cell) is not None for cell in cells)


def best_cells(table: Table) -> set[tuple[int, int]]:
    """Places (row, column) of the highest value in each of the table's ``best`` columns."""
    places = set()
    for column in (table.columns.index(name) for name in table.best):
        values = [number_of(row[column]) for row in table.rows]
        known = [value for value in values if value is not None]
        places |= {
            (row, column) for row, value in enumerate(values) if known and value == max(known)
        }
    return places


def masked_text(masked: bool | None) -> str:
    """The line that says whether seen items were masked; empty where that is no question."""
    return "" if masked is None else f"Seen items masked: {'yes' if masked else 'no'}."


def sparkline(values: Sequence[float | None], width: int = 24) -> str:
    """The course of ``values`` in one line of block letters."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    picked = [known[i * len(known) // width] for i in range(width)] if len(known) > width else known
    span = (max(picked) - min(picked)) or 1.0
    return "".join(SPARKS[round((value - min(picked)) / span * 7)] for value in picked)


def print_section(
    console: Console, number: int, title: str, lede: str, elements: Sequence[Element]
) -> None:
    """Print one section."""
    console.print()
    console.rule(RichText(f"{number}. {title}", style="bold"), align="left", characters="─")
    if lede:
        console.print(RichText(lede, style="dim"))
    for element in elements:
        console.print(Padding(_renderable(element, console.width), (1, 0, 0, 0)))


def _renderable(element: Element, width: int) -> RenderableType:
    match element:
        case Text():
            return RichText(element.text)
        case Facts():
            return _facts(element)
        case Finding():
            return _finding(element)
        case Table():
            return _table(element, width)
        case Curves():
            return _curves(element)
        case Figure():
            return RichText(f"(figure: {element.title})", style="dim")
        case Transcript():
            return _transcript(element)
    return RichText(str(element))


def _finding(finding: Finding) -> RichText:
    mark, style = VERDICTS[finding.holds]
    return RichText.assemble(
        (f"{mark} ", style), finding.statement, (f"  {finding.evidence}", "dim")
    )


def _facts(facts: Facts) -> RichTable:
    grid = RichTable.grid(padding=(0, 2))
    for label, value in facts.values.items():
        grid.add_row(RichText(label, style="dim"), RichText(fact_text(value), style="bold"))
    return grid


def _table(table: Table, width: int) -> Group:
    narrow = width < WIDE_CONSOLE
    least = [_least_width(table, column, narrow) for column in range(len(table.columns))]
    grids = [_grid(table, columns, least, narrow) for columns in _parts(least, width)]
    grids[0].title = RichText(table.title, style="bold")
    controls = "Dimmed rows are controls." if table.controls else ""
    below = " ".join(part for part in (masked_text(table.masked), controls, table.note) if part)
    command = f"$ {table.command}" if table.command else ""
    return Group(*grids, *(RichText(line, style="dim") for line in (below, command) if line))


def _least_width(table: Table, column: int, narrow: bool) -> int:
    """Where room is short cells break between words; a number that is cut off says nothing."""
    texts = [table.columns[column]]
    if is_numeric(table, column):
        texts += [_lines(row[column], table.digits, narrow) for row in table.rows]
    return max(map(len, " ".join(texts).split()), default=0)


def _parts(least: Sequence[int], width: int) -> list[list[int]]:
    """Columns side by side as far as they fit, the first before each part of the others."""
    parts = [[0]]
    for column in range(1, len(least)):
        # each has a space on both sides and one to the next; the box has one at its end
        needed = sum(least[place] + 3 for place in [*parts[-1], column]) + 1
        if len(parts[-1]) > 1 and needed > width:
            parts.append([0])
        parts[-1].append(column)
    return parts


def _grid(table: Table, columns: Sequence[int], least: Sequence[int], narrow: bool) -> RichTable:
    """Some columns of a table, as far as they fit side by side."""
    shown = RichTable(title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        shown.add_column(
            RichText(table.columns[column]),
            justify="right" if is_numeric(table, column) else "left",
            min_width=least[column],
            overflow="fold",
        )
    best = best_cells(table)
    for number, row in enumerate(table.rows):
        cells = [
            RichText(
                _lines(row[column], table.digits, narrow),
                style="bold" if (number, column) in best else "",
            )
            for column in columns
        ]
        shown.add_row(*cells, style="dim" if row[0] in table.controls else "")
    return shown


def _lines(cell: Cell, digits: int, narrow: bool) -> str:
    """A cell as text; where room is short, an interval goes below its number."""
    text = cell_text(cell, digits)
    if narrow and isinstance(cell, Estimate):
        return re.sub(r" (?=[\[±])", "\n", text)
    return text


def _curves(curves: Curves) -> RichTable:
    grid = RichTable.grid(padding=(0, 2))
    grid.add_row(RichText(curves.title, style="bold"), RichText(curves.y_label, style="dim"))
    for curve in curves.series:
        ends = [value for value in curve.y if value is not None]
        course = f"{ends[0]:.3g} → {ends[-1]:.3g}" if ends else ""
        grid.add_row(RichText(curve.name), RichText(sparkline(curve.y)), RichText(course))
    return grid


def _transcript(transcript: Transcript) -> RichTable:
    grid = RichTable.grid(padding=(0, 1))
    grid.add_row("", RichText(f"{transcript.title} · {transcript.user}", style="bold"))
    for item in transcript.history:
        grid.add_row(RichText("took", style="dim"), RichText(item, style="dim"))
    for turn in transcript.turns:
        answer = (
            RichText("✓ took", style="green") if turn.accepted else RichText("✗ skip", style="red")
        )
        chance = "" if turn.probability is None else f", taken at {turn.probability:.0%}"
        grid.add_row(answer, RichText(turn.item), RichText(f"liking {turn.liking:.2f}{chance}"))
    grid.add_row("", RichText(transcript.ending, style="dim"))
    return grid
