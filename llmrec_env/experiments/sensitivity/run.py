"""The whole of it: simulators and trainings side by side, one table of all points, the report."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from llmrec_env.common import progress
from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.files import atomic_path
from llmrec_env.common.parallel import Job, available_cores, run_jobs
from llmrec_env.experiments.sensitivity import cold, curves, state_map
from llmrec_env.experiments.sensitivity.points import Point, check_point, do_point, missing
from llmrec_env.experiments.sensitivity.settings import SensitivitySettings
from llmrec_env.experiments.sensitivity.states import has_neighbour_plane
from llmrec_env.experiments.study import language_simulators, simulators
from llmrec_env.experiments.study.claims import claim
from llmrec_env.experiments.study.split_context import SplitContext, close_sources
from llmrec_env.reporting import Facts, Report
from llmrec_env.reporting.markdown import report_markdown

SIMULATOR = "LE"


def run_sensitivity(
    settings: SensitivitySettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Train what is missing, save the pictures and the numbers to ``folder``, return the report.

    More parts, values, seeds, splits or backbones may be asked of a folder later: what is done
    stays.

    Args:
        settings: what is asked.
        folder: the LE, one folder a training, ``points.csv``, ``points.parquet``, ``results.json``,
            ``results.md``, ``report.html`` and ``figures``.
        workers: processes at work at once, one thread each; one a core where None. With more than
            one, a script has to call this under ``if __name__ == "__main__":``.

    Raises:
        SettingError: the folder holds a study of other data or settings.
        MissingExtraError: the extra ``bench`` is not installed.
    """
    out = Path(folder)
    if "cold" in settings.parts:
        require("scipy.stats", "bench")
    if "map" in settings.parts and settings.projection == "tsne" and not has_neighbour_plane():
        raise SettingError("projection='tsne' needs scikit-learn: pip install scikit-learn")
    close_sources()
    simulators.open_simulator.cache_clear()
    context = SplitContext(settings.study, out, settings.split)
    claim(out, "sensitivity.json", settings.study.fixed, context.source.log)
    points = points_of(settings)
    for point in points:
        check_point(point, context)
    if progress.is_shown():
        done = len(points) - len(missing(points, context))
        progress.console.print(f"{done} of {len(points)} points are done")
    workers = workers or available_cores()
    for jobs in (_texts(context), _alone(points, context)):
        run_jobs(jobs, workers)
    run_jobs(_jobs(missing(points, context), context), workers)
    return _report(settings, context)


def points_of(settings: SensitivitySettings) -> list[Point]:
    """All that is trained or ranked, each once."""
    points = curves.points_of(settings) if settings.sweeps else []
    points += cold.points_of(settings) if "cold" in settings.parts else []
    points += state_map.points_of(settings) if "map" in settings.parts else []
    return list(dict.fromkeys(points))


def _texts(context: SplitContext) -> dict[str, Job]:
    if not language_simulators.reads_texts(context):
        return {}
    return {"item texts": partial(language_simulators.read_texts, context)}


def _alone(points: list[Point], context: SplitContext) -> dict[str, Job]:
    """The LE, and beside it what needs none."""
    jobs: dict[str, Job] = {}
    if not simulators.is_built(SIMULATOR, context):
        jobs[SIMULATOR] = partial(simulators.build, SIMULATOR, context)
    free = [point for point in missing(points, context) if not point.asks_simulator]
    return jobs | _jobs(free, context)


def _jobs(points: list[Point], context: SplitContext) -> dict[str, Job]:
    return {point.name: partial(do_point, point, context) for point in points}


def _report(settings: SensitivitySettings, context: SplitContext) -> Report:
    source, split = context.source, context.source.split
    report = Report(
        title=f"llmrec bench sensitivity on {source.name}",
        lede=(
            "How a result depends on its settings: one setting moved at a time, all others as the "
            "method has them, judged on users nobody learned from."
        ),
        command=settings.command,
        settings=settings.to_json(),
        seeds={"split": settings.split, "training seeds, from 0": settings.seeds},
    )
    rows: list[dict[str, Any]] = []
    facts = report.section("The log", "Split by user: whoever is judged was never learned from.")
    facts.add(
        Facts(
            {
                "users": source.log.n_users,
                "items": source.log.n_items,
                "interactions": len(source.log),
                "training / validation / test users": (
                    f"{split.train.n_users} / {split.validation.n_users} / {split.test.n_users}"
                ),
                "backbone": settings.backbone,
                "split / training seeds": f"{settings.split} / {settings.seeds}",
            }
        )
    )
    basis = (
        f"Full catalogue, every step of {split.validation.n_users:,} validation and "
        f"{split.test.n_users:,} test users of one split."
    )
    for part in settings.parts:
        rows += _part(report, part, settings, context, basis)
    _write_points(rows, context.out)
    report.save(context.out)
    with atomic_path(context.out / "results.md") as temporary:
        temporary.write_text(report_markdown(report, context.out), encoding="utf-8")
    return report


def _part(
    report: Report, part: str, settings: SensitivitySettings, context: SplitContext, basis: str
) -> list[dict[str, Any]]:
    """Write one part's section; returns its rows of the table of all points."""
    if part == "cold":
        section = report.section(
            "Cold and warm items", "Test steps by how often training holds the item that was taken."
        )
        cold.write(section, settings, context, basis)
        return cold.flat_rows(cold.read(settings, context))
    if part == "map":
        section = report.section(
            "Where users stand",
            "The states from which the next item is told, the LE's and the backbone's.",
        )
        found = state_map.read(settings, context)
        state_map.write(section, found, settings)
        return state_map.flat_rows(found)
    section = report.section(*curves.TITLES[part])
    rows = []
    for sweep in settings.sweeps:
        if sweep.part == part:
            curves.write(section, sweep, settings, context, basis)
            rows += curves.flat_rows(curves.read(sweep, settings, context))
    return rows


def _write_points(rows: list[dict[str, Any]], out: Path) -> None:
    table = pl.DataFrame(rows, infer_schema_length=None)
    with atomic_path(out / "points.csv") as temporary:
        table.write_csv(temporary)
    with atomic_path(out / "points.parquet") as temporary:
        table.write_parquet(temporary)
