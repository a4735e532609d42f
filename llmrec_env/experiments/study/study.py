"""A whole study: companions, searches and runs side by side, and the report."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from llmrec_env.common import progress
from llmrec_env.common.extras import require
from llmrec_env.common.files import atomic_path
from llmrec_env.common.parallel import Job, available_cores, run_jobs
from llmrec_env.common.placement import check_device
from llmrec_env.experiments.study import grid, running, search
from llmrec_env.experiments.study import language_simulators as language_kinds
from llmrec_env.experiments.study import simulators as companions
from llmrec_env.experiments.study.claims import claim
from llmrec_env.experiments.study.methods import Recipe
from llmrec_env.experiments.study.report import build_report
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.split_context import Place, close_sources
from llmrec_env.reporting import Report
from llmrec_env.reporting.markdown import report_markdown


def run_study(
    settings: StudySettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Do what a study lacks, save its report to ``folder`` and return it.

    More backbones, objectives, seeds or splits may be asked of a folder later: what is done stays.

    Args:
        settings: what is compared.
        folder: the study's folder: companions, searches, one folder a run, ``runs.csv``,
            ``runs.parquet``, ``results.json``, ``results.md``, ``report.html`` and ``figures``.
        workers: processes at work at once, one thread each; one a core where None. With more than
            one, a script has to call this under ``if __name__ == "__main__":``.

    Raises:
        SettingError: the folder holds a study of other data or settings, or the device is not
            there.
        MissingExtraError: the extra ``bench`` is not installed.
    """
    out = Path(folder)
    require("scipy.stats", "bench")
    check_device(settings.device)
    if settings.trials > 1:
        require("optuna", "bench")
    close_sources()
    companions.open_companion.cache_clear()
    places = [Place(settings, out, split) for split in range(settings.splits)]
    claim(out, "study.json", settings.fixed, places[0].source.log)
    workers = workers or available_cores()
    for jobs in (_texts, _alone, _together, _runs):
        # Made one after the other: what is searched says which settings a run has.
        run_jobs(jobs(places), workers)
    grid.write_overview(grid.runs_of(settings), out)
    report = build_report(settings, out)
    report.save(out)
    with atomic_path(out / "results.md") as temporary:
        temporary.write_text(report_markdown(report, out), encoding="utf-8")
    return report


def _texts(places: list[Place]) -> dict[str, Job]:
    """What all companions share."""
    first = places[0]
    if not language_kinds.reads_texts(first):
        return {}
    return {"item texts": partial(language_kinds.read_texts, first)}


def _alone(places: list[Place]) -> dict[str, Job]:
    """The companions of the first split, and beside them the searches that need none."""
    first = places[0]
    return {**_builds(first), **_searches(first, with_companion=False)}


def _together(places: list[Place]) -> dict[str, Job]:
    """The other searches, and the companions of the other splits."""
    jobs = _searches(places[0], with_companion=True)
    for place in places[1:]:
        jobs |= _builds(place)
    return jobs


def _runs(places: list[Place]) -> dict[str, Job]:
    """The runs that are not done."""
    first = places[0]
    runs = grid.runs_of(first.settings)
    for run in runs:
        running.check_run(run, places[run.split])
    missing = [run for run in runs if not run.is_done(first.out)]
    if progress.is_shown():
        done = len(runs) - len(missing)
        progress.console.print(f"{done} of {len(runs)} runs are done, {len(missing)} to go")
    return {run.name: partial(running.do_run, run, places[run.split], runs) for run in missing}


def _builds(place: Place) -> dict[str, Job]:
    return {
        f"{name}, split {place.split}": partial(companions.build, name, place)
        for name in place.settings.companions
        if not companions.is_built(name, place)
    }


def _searches(place: Place, with_companion: bool) -> dict[str, Job]:
    settings = place.settings
    jobs: dict[str, Job] = {}

    def wanted(recipe: Recipe) -> bool:
        return (recipe.companion is not None) == with_companion

    for recipe in filter(wanted, settings.searches):
        for backbone in settings.backbones:
            if not search.is_searched(settings, place.out, backbone, recipe):
                name = f"search {backbone} {recipe.name}"
                jobs[name] = partial(search.search, backbone, recipe, place)
    return jobs
