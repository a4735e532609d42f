"""Does one row on one split: fits its settings, lets validation choose, measures test users."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.progress import track
from llmrec_env.experiments.fidelity.protocols import Task
from llmrec_env.experiments.fidelity.questions import Question
from llmrec_env.experiments.fidelity.rows.base import Row

ROW, USERS = "row.json", "users-{}.parquet"


@dataclass
class _Best:
    """The setting that answers a question best on validation users, so far."""

    row: Row
    value: float
    seconds: float


def measure_row(grid: Sequence[Row], task: Task, folder: Path, place: Path) -> dict[str, Any]:
    """Measure one row.

    Args:
        grid: its settings, not fitted; each question is answered by the one that validation users
            prefer there.
        task: what is learned and asked.
        folder: where a row may keep what it would lose if it were killed.
        place: a folder, in which one table a question is written.

    Returns:
        By question: the settings, the metrics' means on validation and test users, the CPU seconds
        of learning that setting, of answering (of a row that waits for another program: seconds),
        and of the whole search; and what was asked of that program.
    """
    best: dict[str, _Best] = {}
    began = time.process_time()
    asked = [row for row in grid if _suiting(task.validation, row)]
    for number, row in enumerate(track(asked, "settings")):
        start = time.process_time()
        row.fit(task.lesson, folder / str(number))
        seconds = time.process_time() - start
        for name, question in _suiting(task.validation, row):
            value = 0.0 if len(asked) == 1 else mean_of(question.measure(row), question.metrics[0])
            if name not in best or value > best[name].value:
                best[name] = _Best(row, value, seconds)
    searched = time.process_time() - began
    found = {}
    for name in [name for name in best if name in task.test]:
        own = best[name]
        clock = time.monotonic if own.row.waits else time.process_time
        start, before = clock(), own.row.usage()
        users = task.test[name].measure(own.row)
        answering, usage = clock() - start, own.row.usage()
        users.write_parquet(place / USERS.format(name.replace(" ", "-")))
        found[name] = {
            "settings": _settings(own.row),
            "validation": own.value if len(asked) > 1 else None,
            "test": {metric: mean_of(users, metric) for metric in task.test[name].metrics},
            "users": users.height,
            "seconds": {
                "learning": round(own.seconds, 2),
                "answering": round(answering, 2),
                "choosing": round(searched, 2),
            },
        }
        if usage:
            found[name]["usage"] = {what: usage[what] - before[what] for what in usage}
    return found


def mean_of(users: pl.DataFrame, metric: str) -> float:
    """The mean over steps of what stands in a table as each user's mean."""
    known = users.drop_nulls(metric)
    return float(np.average(known[metric].to_numpy(), weights=known["steps"].to_numpy()))


def _suiting(questions: dict[str, Question], row: Row) -> list[tuple[str, Question]]:
    return [(name, question) for name, question in questions.items() if question.suits(row)]


def _settings(row: Row) -> dict[str, Any]:
    plain: dict[str, Any] = asdict(row) if is_dataclass(row) else {}
    return {"kind": type(row).__name__, **plain}
