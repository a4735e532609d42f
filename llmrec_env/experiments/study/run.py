"""A whole study: simulators, searches and runs side by side, and the report."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from llmrec_env.common import progress
from llmrec_env.common.extras import require
from llmrec_env.common.files import atomic_path
from llmrec_env.common.parallel import Job, available_cores, run_jobs
from llmrec_env.common.placement import check_device
from llmrec_env.experiments.study import grid, language_simulators, measure, search, simulators
from llmrec_env.experiments.study.claims import claim
from llmrec_env.experiments.study.methods import Method
from llmrec_env.experiments.study.report import build_report
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.split_context import SplitContext, close_sources
from llmrec_env.reporting import Report
from llmrec_env.reporting.markdown import report_markdown


def run_study(
    settings: StudySettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Do what a study lacks, save its report to ``folder`` and return it.

    More backbones, methods, seeds or splits may be asked of a folder later: what is done stays.

    Args:
        settings: what is compared.
        folder: the study's folder: simulators, searches, one folder a run, ``runs.csv``,
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
    simulators.open_simulator.cache_clear()
    contexts = [SplitContext(settings, out, split) for split in range(settings.splits)]
    claim(out, "study.json", settings.fixed, contexts[0].source.log)
    workers = workers or available_cores()
    for jobs in (_texts, _alone, _together, _runs):
        # Made one after the other: what is searched says which settings a run has.
        run_jobs(jobs(contexts), workers)
    grid.write_overview(grid.runs_of(settings), out)
    report = build_report(settings, out)
    report.save(out)
    with atomic_path(out / "results.md") as temporary:
        temporary.write_text(report_markdown(report, out), encoding="utf-8")
    return report


def _texts(contexts: list[SplitContext]) -> dict[str, Job]:
    """What all simulators share."""
    first = contexts[0]
    if not language_simulators.reads_texts(first):
        return {}
    return {"item texts": partial(language_simulators.read_texts, first)}


def _alone(contexts: list[SplitContext]) -> dict[str, Job]:
    """The simulators of the first split, and beside them the searches that need none."""
    first = contexts[0]
    return {**_builds(first), **_searches(first, with_simulator=False)}


def _together(contexts: list[SplitContext]) -> dict[str, Job]:
    """The other searches, and the simulators of the other splits."""
    jobs = _searches(contexts[0], with_simulator=True)
    for context in contexts[1:]:
        jobs |= _builds(context)
    return jobs


def _runs(contexts: list[SplitContext]) -> dict[str, Job]:
    """The runs that are not done."""
    first = contexts[0]
    runs = grid.runs_of(first.settings)
    for run in runs:
        measure.check_run(run, contexts[run.split])
    missing = [run for run in runs if not run.is_done(first.out)]
    if progress.is_shown():
        done = len(runs) - len(missing)
        progress.console.print(f"{done} of {len(runs)} runs are done, {len(missing)} to go")
    return {run.name: partial(measure.do_run, run, contexts[run.split], runs) for run in missing}


def _builds(context: SplitContext) -> dict[str, Job]:
    return {
        f"{name}, split {context.split}": partial(simulators.build, name, context)
        for name in context.settings.simulators
        if not simulators.is_built(name, context)
    }


def _searches(context: SplitContext, with_simulator: bool) -> dict[str, Job]:
    settings = context.settings
    jobs: dict[str, Job] = {}

    def wanted(method: Method) -> bool:
        return (method.simulator is not None) == with_simulator

    for method in filter(wanted, settings.searches):
        for backbone in settings.backbones:
            if not search.is_searched(settings, context.out, backbone, method):
                name = f"search {backbone} {method.name}"
                jobs[name] = partial(search.search, backbone, method, context)
    return jobs
