"""Does the missing rows of a table of fidelity and builds its report.

A table is one folder::

    run.json                            what is asked on which log
    rows/mean/complete-0/row.json ...   what one row found on one log and split
    rows/mean/complete-0/users-*.parquet   the same, user by user
    rows.json                           the table: means, intervals and paired differences
    report.html, results.md, results.json, config.json, figures/
"""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import NamedTuple

from llmrec_env.common.files import write_json
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.loading import load
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import log_fingerprint
from llmrec_env.experiments.fidelity.measuring import ROW, measure_row
from llmrec_env.experiments.fidelity.protocols import Task, kind_of, tasks_of
from llmrec_env.experiments.fidelity.report import build_report
from llmrec_env.experiments.fidelity.rows import ROWS
from llmrec_env.experiments.fidelity.settings import FidelitySettings
from llmrec_env.experiments.fidelity.table import collect
from llmrec_env.experiments.stages import Stage, run_stages
from llmrec_env.experiments.tables import save_report
from llmrec_env.reporting import Report, versions


class Piece(NamedTuple):
    """One row on one log and split."""

    row: str
    log: str
    split: int

    @property
    def path(self) -> str:
        """Its folder in that of the run."""
        return f"rows/{self.row}/" + "-".join(filter(None, (self.log, str(self.split))))


def run_fidelity(
    settings: FidelitySettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Do what a table lacks, write it, and return the report.

    Rows may be added to a folder later: what is done stays, and every row is held against all.

    Args:
        settings: what to do.
        folder: where everything is kept.
        workers: rows at once, each in a process and with one thread; one a core where None.

    Raises:
        SettingError: the folder holds a table of other settings or another log.
        MissingExtraError: the extra ``bench`` is not installed.
    """
    place = RunFolder.check(folder, settings.KIND)
    _log.cache_clear()
    _task.cache_clear()
    log = _log(settings)
    contents = {"log": log_fingerprint(log)}
    with RunFolder.claim(
        place, settings.KIND, settings.to_json(), settings.GROWING, contents
    ) as own:
        run_stages(
            [
                Stage(piece.path, partial(_do, settings, own, piece), own.has(piece.path))
                for piece in pieces_of(settings, log)
            ],
            workers,
        )
        table = collect(own.path, settings.command, kind_of_log(settings, log))
        write_json(own.path / "rows.json", table, sort_keys=False)
        report = build_report(settings, log, table)
        save_report(report, own)
        return report


def kind_of_log(settings: FidelitySettings, log: InteractionLog) -> str:
    """The protocol that is asked for, or that suits the log."""
    chosen = settings.protocol
    return kind_of(log, settings.held_out) if chosen == "auto" else chosen


def pieces_of(settings: FidelitySettings, log: InteractionLog) -> list[Piece]:
    """All rows on all logs and splits, the first row first."""
    kind = kind_of_log(settings, log)
    has_text = log.catalogue.has_text
    return [
        Piece(row, name, split)
        for row in settings.rows
        if (kind != "taken" or not ROWS[row].rated) and (has_text or not ROWS[row].reads)
        for split in range(settings.splits)
        for name in tasks_of(kind, log, split, settings.held_out)
    ]


def _do(settings: FidelitySettings, own: RunFolder, piece: Piece) -> None:
    task = _task(settings, piece.log, piece.split)
    grid = ROWS[piece.row].grid(task.lesson, settings.means)
    working = own.path / "working" / piece.path
    with own.making(piece.path) as folder:
        folder.mkdir(parents=True)
        found = measure_row(grid, task, working, folder)
        row = {**piece._asdict(), "questions": found, "versions": versions()}
        write_json(folder / ROW, row, sort_keys=False)
    own.remove(f"working/{piece.path}")


@lru_cache(maxsize=1)
def _log(settings: FidelitySettings) -> InteractionLog:
    assert settings.data is not None
    return load(settings.data, **settings.keywords)


@lru_cache(maxsize=1)
def _task(settings: FidelitySettings, name: str, split: int) -> Task:
    log = _log(settings)
    task = tasks_of(kind_of_log(settings, log), log, split, settings.held_out)[name]()
    if settings.users or settings.candidates:
        task = task.of_some(settings.users, settings.candidates)
    return task if settings.share == 1.0 else task.of_fewer(settings.share)
