"""The runs of a study, and what is left of each: one folder a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common.files import atomic_path, read_json
from llmrec_env.experiments.study.rankers import ranker_names
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.split_context import as_name

Row = dict[str, Any]
KEYS = ("split", "backbone", "method", "seed")


@dataclass(frozen=True)
class Run:
    """One training of one method; a ranker without a backbone has no training seed either."""

    split: int
    method: str
    backbone: str | None = None
    seed: int | None = None

    @property
    def row_name(self) -> str:
        """The row of a table that it belongs to, such as "sasrec LEASR"."""
        return " ".join(filter(None, [self.backbone, self.method]))

    @property
    def name(self) -> str:
        """What to call it while it runs."""
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.row_name}, split {self.split}{seed}"

    def folder(self, out: Path) -> Path:
        """Where its results lie; there as a whole or not at all."""
        path = out / f"split{self.split}" / "runs"
        if self.backbone is None:
            return path / as_name(self.method)
        return path / self.backbone / as_name(self.method) / f"seed{self.seed}"

    def is_done(self, out: Path) -> bool:
        """Whether its results are there."""
        return (self.folder(out) / "row.json").exists()


def runs_of(settings: StudySettings) -> list[Run]:
    """All runs of a study, split by split."""
    runs = []
    for split in range(settings.splits):
        runs += [Run(split, name) for name in ranker_names(settings)]
        runs += [
            Run(split, method.name, backbone, seed)
            for seed in range(settings.seeds)
            for backbone in settings.backbones
            for method in settings.compared
        ]
    return runs


def read_rows(runs: Iterable[Run], out: Path) -> list[Row]:
    """The results of the runs that are done: ``row.json`` and the run's keys."""
    return [
        {**asdict(run), "name": run.row_name, **read_json(run.folder(out) / "row.json")}
        for run in runs
        if run.is_done(out)
    ]


def read_users(runs: Iterable[Run], out: Path) -> pl.DataFrame:
    """Per-user test metrics of runs, with ``split`` and ``seed`` (null where there is none)."""
    parts = [
        pl.read_parquet(run.folder(out) / "users.parquet").with_columns(
            pl.lit(run.split, pl.Int64).alias("split"), pl.lit(run.seed, pl.Int64).alias("seed")
        )
        for run in runs
    ]
    return pl.concat(parts)


def write_overview(runs: Iterable[Run], out: Path) -> None:
    """``runs.csv`` and ``runs.parquet``: one row for each run that is done."""
    table = pl.DataFrame([_flat(row) for row in read_rows(runs, out)], infer_schema_length=None)
    with atomic_path(out / "runs.csv") as temporary:
        table.write_csv(temporary)
    with atomic_path(out / "runs.parquet") as temporary:
        table.write_parquet(temporary)


def _flat(row: Row) -> Row:
    """One level of columns: "test NDCG@10", "seconds learning", "setting dropout" and so on."""
    flat = {name: row[name] for name in (*KEYS, "role")}
    for part, word in (
        ("test", "test"),
        ("validation", "validation"),
        ("beyond", "lists"),
        ("returns", "return"),
        ("seconds", "seconds"),
        ("serving", "serving"),
        ("chosen", "setting"),
    ):
        flat |= {f"{word} {name}": value for name, value in row[part].items()}
    return {**flat, "fingerprint": row["fingerprint"]}
