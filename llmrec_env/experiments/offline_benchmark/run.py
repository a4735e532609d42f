"""Runs the missing parts of an offline benchmark and builds its report.

A benchmark is one folder::

    run.json                   what is compared on which log
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

from llmrec_env.common.run_folder import RunFolder
from llmrec_env.experiments.evaluators import evaluation_users
from llmrec_env.experiments.offline_benchmark.baselines import BASELINES, Agent
from llmrec_env.experiments.offline_benchmark.datasets import DATASETS
from llmrec_env.experiments.offline_benchmark.evaluator import Evaluator, Row
from llmrec_env.experiments.offline_benchmark.report import build_report
from llmrec_env.experiments.offline_benchmark.settings import OfflineSettings, Run
from llmrec_env.experiments.opened import check_simulator, close_opened, opened_simulator
from llmrec_env.experiments.stages import Stage, run_stages
from llmrec_env.experiments.tables import save_report, write_rows
from llmrec_env.offline.d3rlpy import ALGORITHMS, D3rlpyPolicy, to_mdp_dataset, train
from llmrec_env.offline.d3rlpy.algorithms import Actions
from llmrec_env.offline.table import Transitions
from llmrec_env.reporting import Report
from llmrec_env.users.language import LanguageUser


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
    """
    place = RunFolder.check(folder, settings.KIND)
    close_opened()
    for kept in (_evaluator, _dataset):
        kept.cache_clear()
    check_simulator(settings.simulator_folder, settings.source)
    with RunFolder.claim(
        place, settings.KIND, settings.to_json(), contents=settings.contents
    ) as own:
        run_stages(_stages(settings, own), workers)
        rows = [own.read(_row_piece(run)) for run in settings.runs]
        # The returns of single users are too many for a table.
        write_rows([{k: v for k, v in row.items() if k != "returns"} for row in rows], own, "runs")
        report = build_report(settings, settings.source, rows)
        save_report(report, own)
        return report


def _stages(settings: OfflineSettings, own: RunFolder) -> list[Stage]:
    """The datasets that a missing run needs, and all runs."""
    runs = [
        Stage(
            run.name,
            partial(_run, settings, own, run),
            own.has(_row_piece(run)),
            (_dataset_piece(run),) if run.dataset else (),
        )
        # Runs of one dataset stand together, so that a process reads each dataset once.
        for run in sorted(settings.runs, key=_dataset_piece)
    ]
    missing = {piece for stage in runs if not stage.is_done for piece in stage.needs}
    makers = {_dataset_piece(run): run for run in settings.runs if run.dataset is not None}
    datasets = [
        Stage(piece, partial(_make_dataset, settings, own, run))
        for piece, run in makers.items()
        if piece in missing and not own.has(piece)
    ]
    return [*datasets, *runs]


def _make_dataset(settings: OfflineSettings, own: RunFolder, run: Run) -> None:
    assert run.dataset is not None
    table = DATASETS[run.dataset].make(settings.source.split.train, _simulator(settings), run.seed)
    table.save(own.path / _dataset_piece(run))


def _run(settings: OfflineSettings, own: RunFolder, run: Run) -> None:
    began = time.process_time()  # runs share the cores, so a clock would tell of the others
    simulator, log = _simulator(settings), settings.source.split.train
    if run.dataset is None:
        transitions, agent = None, BASELINES[run.algorithm].make(log, simulator, run.seed)
    else:
        transitions, agent = _learn(settings, own.path / _dataset_piece(run), run)
    row: Row = {
        **run._asdict(),
        "transitions": transitions,
        **_evaluator(settings).evaluate(agent),
        "cpu_seconds": round(time.process_time() - began, 1),
    }
    own.write(_row_piece(run), row, sort_keys=False)


def _learn(settings: OfflineSettings, path: Path, run: Run) -> tuple[int, Agent]:
    """The number of transitions, and the algorithm that has learned from them."""
    algorithm, simulator = ALGORITHMS[run.algorithm], _simulator(settings)
    dataset, kind = _dataset(settings, path, algorithm.actions)
    algo = algorithm.create(kind, simulator.n_items)
    train(algo, dataset, settings.steps, run.seed)
    policy = D3rlpyPolicy(algo, "history" if kind == "history" else "state", simulator)
    return dataset.transition_count, Agent(policy, policy)


def _simulator(settings: OfflineSettings) -> LanguageUser:
    return opened_simulator(settings.simulator_folder, settings.source)


@lru_cache(maxsize=1)
def _evaluator(settings: OfflineSettings) -> Evaluator:
    source = settings.source
    worlds = evaluation_users(source, _simulator(settings))
    split = source.split
    return Evaluator(split.train, split.test, worlds, settings.episodes, settings.seed)


@lru_cache(maxsize=1)
def _dataset(settings: OfflineSettings, path: Path, actions: Actions) -> tuple[Any, str]:
    """A dataset as d3rlpy knows it, read once while runs of it follow each other."""
    table = Transitions.load(path)
    labeller = _simulator(settings) if actions == "embedding" else None
    return to_mdp_dataset(table, labeller, actions=actions), table.kind


def _dataset_piece(run: Run) -> str:
    """The file that holds a run's dataset; none where it needs none."""
    if run.dataset is None:
        return ""
    seed = f"-{run.seed}" if DATASETS[run.dataset].is_drawn else ""
    return f"datasets/{run.dataset}{seed}.parquet"


def _row_piece(run: Run) -> str:
    return f"runs/{run.name}/row.json"
