"""The report of a table of fidelity, and its tables as the page of the documentation shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmrec_env.data.log import InteractionLog
from llmrec_env.experiments.fidelity.rows import ROWS
from llmrec_env.experiments.fidelity.settings import FidelitySettings
from llmrec_env.reporting import Estimate, Facts, Forest, Report, Table

LOGS = {"partly": "log of users who rated some", "complete": "log of users who rated everything"}
LEDE = "How near rows come to people whom they never met: 95% intervals over users."
Cell = Mapping[str, Any]


def build_report(
    settings: FidelitySettings, log: InteractionLog, table: Mapping[str, Any]
) -> Report:
    """One section a log and question: the table, and the first metric drawn."""
    report = Report(
        title=f"llmrec {settings.KIND} on {settings.data}",
        lede=LEDE,
        command=settings.command,
        settings=settings.to_json(),
        seeds={"splits, from 0": settings.splits},
    )
    section = report.section("The log", f"Protocol: {table['protocol']}.")
    section.add(Facts({"users": log.n_users, "items": log.n_items, "interactions": len(log)}))
    for (name, question), cells in grouped(table).items():
        title = ", ".join(filter(None, (question, LOGS.get(name, name))))
        section = report.section(title, "The best row first.")
        section.add(_table(title, cells, settings.command), _forest(title, cells))
    return report


def grouped(table: Mapping[str, Any]) -> dict[tuple[str, str], list[Cell]]:
    """The cells of a table by log and question."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in table["cells"]:
        found.setdefault((cell["log"], cell["question"]), []).append(cell)
    return found


def label(row: str) -> str:
    """What tables call a row."""
    return ROWS[row].label if row in ROWS else row


def _estimate(values: Mapping[str, float]) -> Estimate:
    return Estimate(values["mean"], values["low"], values["high"])


def _table(title: str, cells: Sequence[Cell], command: str) -> Table:
    metrics = list(cells[0]["metrics"])
    rows = []
    for cell in cells:
        against = cell["against"]
        rows.append(
            [
                label(cell["row"]),
                *(_estimate(cell["metrics"][metric]) for metric in metrics),
                None if against is None else _estimate(against),
                None if against is None else against["p"],
                cell["users"],
                cell["seconds"]["learning"],
                cell["seconds"]["answering"],
            ]
        )
    columns = [*metrics, "against the best other", "p (Holm)", "users"]
    columns += ["CPU s, learning", "CPU s, answering"]
    return Table(title, ["row", *columns], rows, best=metrics, command=command)


def _forest(title: str, cells: Sequence[Cell]) -> Forest:
    metric = cells[0]["metric"]
    rows = {label(cell["row"]): _estimate(cell["metrics"][metric]) for cell in cells}
    return Forest(title, f"{metric} with its 95% interval over users.", rows, metric, None)
