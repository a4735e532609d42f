"""The list of a study's runs, and the results saved by finished runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common.run_folder import RunFolder
from llmrec_env.experiments.study.methods import METHODS, Method
from llmrec_env.experiments.study.rankers import ranker_names
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.split_context import SplitContext, as_name
from llmrec_env.experiments.study.statistics import spread
from llmrec_env.experiments.tables import many, write_rows

METRIC = "NDCG@10"
Row = dict[str, Any]
"""What a run found, as its file holds it."""
KEYS = ("split", "backbone", "method", "seed")


@dataclass(frozen=True)
class Run:
    """One training of one method; a ranker without a backbone has no training seed either.

    Attributes:
        split: seed of the split by user.
        row: the method's name, or a ranker's.
        backbone: the sequence encoder; None for a ranker.
        seed: of the training; None for a ranker.
    """

    split: int
    row: str
    backbone: str | None = None
    seed: int | None = None

    @property
    def method(self) -> Method:
        """What is trained; of a run with a backbone."""
        return METHODS[self.row]

    @property
    def row_name(self) -> str:
        """The row of a table that it belongs to, such as "sasrec LEASR"."""
        return row_name(self.row, self.backbone)

    @property
    def name(self) -> str:
        """What to call it while it runs."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.row_name}, split {self.split}{seed}"

    @property
    def piece(self) -> str:
        """The folder of its results, in that of the study."""
        own = as_name(self.row)
        if self.backbone is not None:
            own = f"{self.backbone}/{own}/seed{self.seed}"
        return f"split{self.split}/runs/{own}"

    def folder(self, out: Path) -> Path:
        """Where its results are, in the study's folder ``out``."""
        return out / self.piece

    def is_done(self, context: SplitContext) -> bool:
        """Whether its results are there."""
        return context.study.has(f"{self.piece}/row.json")


def row_name(method: str, backbone: str | None) -> str:
    """The row of a table that holds the runs of a method, or of a ranker without a backbone."""
    return method if backbone is None else f"{backbone} {method}"


def runs_of(settings: StudySettings) -> list[Run]:
    """All runs of a study, split by split."""
    runs = []
    for split in range(settings.splits):
        runs += [Run(split, name) for name in ranker_names(settings)]
        runs += [
            Run(split, method, backbone, seed)
            for seed in range(settings.seeds)
            for backbone in settings.backbones
            for method in settings.methods
        ]
    return runs


def write_overview(runs: Iterable[Run], study: RunFolder) -> None:
    """``runs.csv`` and ``runs.parquet``: one row for each run that is done."""
    write_rows([_flat(row) for row in _rows(runs, study)], study, "runs")


def _rows(runs: Iterable[Run], study: RunFolder) -> list[Row]:
    """What the runs that are done found, with what they are of."""
    return [
        {
            **{**asdict(run), "method": run.row},
            "name": run.row_name,
            **study.read(f"{run.piece}/row.json"),
        }
        for run in runs
        if study.has(f"{run.piece}/row.json")
    ]


def _flat(row: Row) -> Row:
    """One level of columns: "test NDCG@10", "seconds learning", "setting dropout" and so on."""
    flat = {name: row[name] for name in (*KEYS, "role")}
    for part, word in (
        ("test", "test"),
        ("masked", "masked test"),
        ("unmasked", "unmasked test"),
        ("validation", "validation"),
        ("beyond", "lists"),
        ("returns", "return"),
        ("seconds", "seconds"),
        ("serving", "serving"),
        ("chosen", "setting"),
    ):
        flat |= {f"{word} {name}": value for name, value in row[part].items()}
    return {**flat, "fingerprint": row["fingerprint"]}


@dataclass(frozen=True)
class Results:
    """What the runs of a finished study left in its folder ``out``."""

    settings: StudySettings
    out: Path

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """All runs by the row of the table that they belong to, in the order of the table."""
        own: dict[str, list[Row]] = {name: [] for name in self.names}
        for row in _rows(runs_of(self.settings), RunFolder(self.out)):
            own[row["name"]].append(row)
        return own

    @property
    def names(self) -> list[str]:
        """The rows of a table in order."""
        settings = self.settings
        return [
            *ranker_names(settings),
            *(row_name(m, b) for b in settings.backbones for m in settings.methods),
        ]

    @cached_property
    def users(self) -> dict[str, pl.DataFrame]:
        """Per-user test metrics by row, with ``split`` and ``seed`` (null where there is none)."""
        tables: dict[str, list[pl.DataFrame]] = {}
        for run in runs_of(self.settings):
            users = pl.read_parquet(
                run.folder(self.out) / "users.parquet", glob=False
            ).with_columns(
                pl.lit(run.split, pl.Int64).alias("split"), pl.lit(run.seed, pl.Int64).alias("seed")
            )
            tables.setdefault(run.row_name, []).append(users)
        return {name: pl.concat(own) for name, own in tables.items()}

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

    @property
    def masked(self) -> bool:
        """Whether seen items were left out where rankings chose and compared."""
        return bool(self.rows[self.names[0]][0]["test"]["mask_seen"])

    def curves(self, name: str) -> dict[int, list[list[float]]]:
        """Validation NDCG@10 before learning and after each pass, of every run of a row."""
        found: dict[int, list[list[float]]] = {}
        for run in runs_of(self.settings):
            if run.row_name == name:
                rows = RunFolder(self.out).read(f"{run.piece}/curve.json")
                found.setdefault(run.split, []).append([row[METRIC] for row in rows])
        return found
