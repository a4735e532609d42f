"""The runs of a benchmark, each kept in a folder of its own.

A benchmark is one folder::

    offline.json               what was asked
    datasets/knn.parquet ...   what the algorithms learn from, made once
    runs/cql-knn-0/row.json    what a run found; whole or absent, so a killed benchmark goes on
    runs.csv, runs.parquet     the rows of all runs
    report.html, results.md, results.json, config.json, figures/
"""

from __future__ import annotations

import os
import time
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common import progress
from llmrec_env.common.files import atomic_path, read_json, write_json
from llmrec_env.common.parallel import Job, available_cores, run_jobs
from llmrec_env.data.source import Source, open_source
from llmrec_env.experiments.demo.language import check_saved
from llmrec_env.experiments.evaluators import evaluation_users
from llmrec_env.experiments.offline_benchmark.algorithms import ALGORITHMS
from llmrec_env.experiments.offline_benchmark.baselines import CONTROLS, Judged
from llmrec_env.experiments.offline_benchmark.datasets import DATASETS
from llmrec_env.experiments.offline_benchmark.evaluators import Found, Judges
from llmrec_env.experiments.offline_benchmark.report import build_report
from llmrec_env.experiments.offline_benchmark.settings import OfflineSettings, Run
from llmrec_env.experiments.study.claims import claim
from llmrec_env.language.saving import saved_fingerprint
from llmrec_env.offline.table import Transitions
from llmrec_env.reporting import Report
from llmrec_env.reporting.markdown import report_markdown
from llmrec_env.users.language import EMBEDDED, LanguageUser


def run_offline(
    settings: OfflineSettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Run what a benchmark lacks, write its tables and its report, and return that.

    Args:
        settings: what to do.
        folder: where everything is kept.
        workers: runs at once, each in a process and with one thread of its own; one a core where
            None. With more than one, a script has to call this under
            ``if __name__ == "__main__":``, as ``multiprocessing`` asks.

    Raises:
        SettingError: the folder holds a benchmark of other settings, another log or another LE.
        SimulatorError: the LE knows other items than the log, or learned from other users.
        MissingExtraError: d3rlpy is not installed.
    """

    for kept in (_source, _simulator, _judges, _dataset):
        kept.cache_clear()
    path, source, le = Path(folder), _source(settings), _le(settings)
    check_saved(le, source)
    users = saved_fingerprint(le)
    claim(path, "offline.json", settings.to_json(), source.log, simulated_user=users)
    _run_missing(settings, path, workers or available_cores())
    rows = [read_json(_row_file(path, run)) for run in settings.runs]
    _write_table(path, rows)
    report = build_report(settings, source, rows)
    report.save(path)
    with atomic_path(path / "results.md") as temporary:
        temporary.write_text(report_markdown(report, path), encoding="utf-8")
    return report


def _run_missing(settings: OfflineSettings, folder: Path, workers: int) -> None:
    missing = [run for run in settings.runs if not _row_file(folder, run).exists()]
    if progress.is_shown() and len(missing) < len(settings.runs):
        done = len(settings.runs) - len(missing)
        progress.console.print(f"{done} of {len(settings.runs)} runs were done before")
    datasets = {_dataset_file(folder, run): run for run in missing if run.dataset is not None}
    makes: dict[str, Job] = {
        f"dataset {path.stem}": partial(_make_dataset, settings, folder, run)
        for path, run in datasets.items()
        if not path.exists()
    }
    run_jobs(makes, workers)
    # runs of one dataset stand together, so that a process reads each dataset once
    missing.sort(key=lambda run: "" if run.dataset is None else _dataset_file(folder, run).stem)
    jobs: dict[str, Job] = {run.name: partial(_run, settings, folder, run) for run in missing}
    run_jobs(jobs, workers)


def _make_dataset(settings: OfflineSettings, folder: Path, run: Run) -> None:
    assert run.dataset is not None
    train = _source(settings).split.train
    table = DATASETS[run.dataset].make(train, _simulator(settings), run.seed)
    table.save(_dataset_file(folder, run))


def _run(settings: OfflineSettings, folder: Path, run: Run) -> None:
    began = time.process_time()  # runs share the cores, so a clock would tell of the others
    simulator, train = _simulator(settings), _source(settings).split.train
    if run.dataset is None:
        rows, judged = None, CONTROLS[run.algorithm].make(train, simulator, run.seed)
    else:
        rows, judged = _learn(settings, _dataset_file(folder, run), run)
    found = {
        **run._asdict(),
        "transitions": rows,
        **_judges(settings).judge(judged),
        "cpu_seconds": round(time.process_time() - began, 1),
    }
    write_json(_row_file(folder, run), found, sort_keys=False)


def _learn(settings: OfflineSettings, path: Path, run: Run) -> tuple[int, Judged]:
    """The number of transitions, and the algorithm that has learned from them."""
    from llmrec_env.offline.d3rlpy import D3rlpyPolicy, train

    dataset, kind = _dataset(path)
    simulator = _simulator(settings)
    algo = ALGORITHMS[run.algorithm].create(kind, simulator.n_items)
    train(algo, dataset, settings.steps, run.seed)
    policy = D3rlpyPolicy(algo, "history" if kind == "history" else "state", simulator)
    return dataset.transition_count, Judged(policy, policy)


@lru_cache(maxsize=1)
def _source(settings: OfflineSettings) -> Source:
    """The log, opened once a process."""
    return open_source(settings.data, settings.seed, settings.world_size)


@lru_cache(maxsize=1)
def _simulator(settings: OfflineSettings) -> LanguageUser:
    """The LE, opened once a process."""
    return LanguageUser(
        LanguageUser.from_pretrained(_le(settings)).model, users=_source(settings).split.test
    )


@lru_cache(maxsize=1)
def _judges(settings: OfflineSettings) -> Judges:
    source = _source(settings)
    worlds = evaluation_users(source, _simulator(settings))
    split = source.split
    return Judges(split.train, split.test, worlds, settings.episodes, settings.seed)


@lru_cache(maxsize=1)
def _dataset(path: Path) -> tuple[Any, str]:
    """A dataset as d3rlpy knows it, read once while runs of it follow each other."""
    from llmrec_env.offline.d3rlpy import to_mdp_dataset

    table = Transitions.load(path)
    return to_mdp_dataset(table), table.kind


def _le(settings: OfflineSettings) -> Path:
    return EMBEDDED if settings.simulator is None else Path(settings.simulator)


def _dataset_file(folder: Path, run: Run) -> Path:
    assert run.dataset is not None
    seed = f"-{run.seed}" if DATASETS[run.dataset].is_drawn else ""
    return folder / "datasets" / f"{run.dataset}{seed}.parquet"


def _row_file(folder: Path, run: Run) -> Path:
    return folder / "runs" / run.name / "row.json"


def _write_table(folder: Path, rows: list[Found]) -> None:
    """The rows of all runs as a table, less the returns of single users."""
    table = pl.DataFrame(
        [{name: value for name, value in row.items() if name != "returns"} for row in rows],
        infer_schema_length=None,
    )
    with atomic_path(folder / "runs.csv") as temporary:
        table.write_csv(temporary)
    with atomic_path(folder / "runs.parquet") as temporary:
        table.write_parquet(temporary)
