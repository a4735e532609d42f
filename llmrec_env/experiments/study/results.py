"""What the runs of a finished study left in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from llmrec_env.common.files import read_json
from llmrec_env.experiments.study.grid import Row, Run, read_rows, read_users, runs_of
from llmrec_env.experiments.study.rankers import ranker_names
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.statistics import spread

METRIC = "NDCG@10"


@dataclass(frozen=True)
class Results:
    """What the runs of a finished study left in its folder."""

    settings: StudySettings
    out: Path

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """All runs by the row of the table that they belong to, in the order of the table."""
        read = read_rows(runs_of(self.settings), self.out)
        own: dict[str, list[Row]] = {name: [] for name in self.names}
        for row in read:
            own[row["name"]].append(row)
        return own

    @property
    def names(self) -> list[str]:
        """The rows of a table in order."""
        settings = self.settings
        return [
            *ranker_names(settings),
            *(Run(0, r.name, b, 0).row_name for b in settings.backbones for r in settings.compared),
        ]

    @cached_property
    def users(self) -> dict[str, pl.DataFrame]:
        """Per-user test metrics by row."""
        runs: dict[str, list[Run]] = {}
        for run in runs_of(self.settings):
            runs.setdefault(run.row_name, []).append(run)
        return {name: read_users(own, self.out) for name, own in runs.items()}

    @property
    def basis(self) -> str:
        """On what the numbers rest: what stands below every table of them."""
        one_a_split = self.rows[self.names[0]]  # the rankers without a backbone come first
        steps = sum(row["test"]["steps"] for row in one_a_split)
        users = sum(row["test_users"] for row in one_a_split)
        return (
            f"Full catalogue, every step of the test users: {steps:,} steps of "
            f"{users:,} test users in {many(self.settings.splits, 'split')} by "
            f"user, {many(self.settings.seeds, 'training seed')}."
        )

    def values(self, name: str, part: str, metric: str) -> dict[int, list[float]]:
        """A metric of every run of a row, by split."""
        found: dict[int, list[float]] = {}
        for row in self.rows[name]:
            found.setdefault(row["split"], []).append(row[part][metric])
        return found

    def mean(self, name: str, part: str, metric: str = METRIC) -> float:
        """A metric of a row: the mean over splits of the means over seeds."""
        return spread(self.values(name, part, metric)).mean

    def curves(self, name: str) -> dict[int, list[list[float]]]:
        """Validation NDCG@10 before learning and after each pass, of every run of a row."""
        found: dict[int, list[list[float]]] = {}
        for run in runs_of(self.settings):
            if run.row_name == name:
                rows = read_json(run.folder(self.out) / "curve.json")
                found.setdefault(run.split, []).append([row[METRIC] for row in rows])
        return found


def many(count: int, what: str) -> str:
    """``1 split``, ``3 splits``."""
    return f"1 {what}" if count == 1 else f"{count} {what}s"
