"""Sections, tables and result files that the reports of all experiments share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.repeats import repeat_share
from llmrec_env.data.source import Source
from llmrec_env.experiments.settings import RunSettings
from llmrec_env.reporting import Facts, Report, Text
from llmrec_env.reporting.markdown import report_markdown

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
ORDERS = {
    "time": "by their times",
    "position": "by their positions",
    "file order": "as the rows stand, which was said to be the order",
    "shuffled": "RANDOM: nobody knows the order",
    "unknown": "UNKNOWN",
}
"""What orders a log, in words."""


def begin_report(
    settings: RunSettings, source: Source, lede: str, seeds: Mapping[str, int]
) -> Report:
    """A report without sections."""
    return Report(
        title=f"llmrec {settings.KIND} on {source.name}",
        lede=lede,
        command=settings.command,
        settings=settings.to_json(),
        seeds=seeds,
    )


def add_log(
    report: Report, source: Source, mean: bool = True, more: Mapping[str, Any] | None = None
) -> None:
    """The section on the log: its size, the sizes of its split, and what else is given.

    Args:
        report: to which it is added.
        source: the log.
        mean: whether the mean length of a user's log is named.
        more: further facts, by name.
    """
    log, split = source.log, source.split
    facts: dict[str, Any] = {"users": log.n_users, "items": log.n_items, "interactions": len(log)}
    if mean:
        facts["interactions a user, mean"] = round(len(log) / log.n_users, 1)
    quantiles = np.quantile(log.lengths, QUANTILES).round().astype(int)
    facts["interactions a user, 5 / 25 / 50 / 75 / 95%"] = " / ".join(map(str, quantiles))
    facts["order of a user's interactions"] = ORDERS[log.reading.order]
    facts["takes of an item that the user took before"] = f"{repeat_share(log):.1%}"
    sizes = (part.n_users for part in (split.train, split.validation, split.test))
    facts["training / validation / test users"] = " / ".join(map(str, sizes))
    section = report.section("The log", "Split by user: test users were never learned from.")
    section.add(Facts({**facts, **(more or {})}))
    if log.reading.lines:
        section.add(Text("How it was read:"), *map(Text, log.reading.lines))


def save_report(report: Report, folder: RunFolder) -> None:
    """Write ``report.html``, ``results.md``, ``results.json``, ``config.json`` and the figures."""
    report.save(folder.path)
    with folder.making("results.md") as path:
        path.write_text(report_markdown(report, folder.path), encoding="utf-8")


def write_rows(rows: Sequence[Mapping[str, Any]], folder: RunFolder, name: str) -> None:
    """Write ``name.csv`` and ``name.parquet``: a table of plain values, one row a mapping."""
    table = pl.DataFrame(rows, infer_schema_length=None)
    with folder.making(f"{name}.csv") as path:
        table.write_csv(path)
    with folder.making(f"{name}.parquet") as path:
        table.write_parquet(path)


def other_part(masked: bool) -> str:
    """The part of a run's row with the metrics of the other way of ranking."""
    return "unmasked" if masked else "masked"


def other_column(masked: bool, metric: str = "NDCG@10") -> str:
    """What a table calls a test metric of the other way of ranking: ``NDCG@10, unmasked``."""
    return f"{metric}, {other_part(masked)}"


def many(count: int, what: str) -> str:
    """``1 split``, ``3 splits``."""
    return f"1 {what}" if count == 1 else f"{count} {what}s"
