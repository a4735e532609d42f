"""Runs the missing parts of a study (simulators, searches, trainings) and builds its report."""

from __future__ import annotations

import os
from functools import partial

from llmrec_env.common.device import check_device
from llmrec_env.common.extras import require
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.source import log_fingerprint
from llmrec_env.experiments.opened import close_opened
from llmrec_env.experiments.stages import Stage, run_stages
from llmrec_env.experiments.study import language_simulators, measure, search, simulators
from llmrec_env.experiments.study.report import build_report
from llmrec_env.experiments.study.runs import runs_of, write_overview
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.experiments.tables import save_report
from llmrec_env.reporting import Report


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
    require("scipy.stats", "bench")
    check_device(settings.device)
    if settings.trials > 1:
        require("optuna", "bench")
    place = RunFolder.check(folder, settings.KIND)
    close_opened()
    simulators.open_simulator.cache_clear()
    contexts = [SplitContext(settings, place, n) for n in range(settings.splits)]
    contents = {"log": log_fingerprint(contexts[0].source.log)}
    with RunFolder.claim(
        place, settings.KIND, settings.to_json(), settings.GROWING, contents
    ) as own:
        run_stages(_stages(contexts), workers)
        write_overview(runs_of(settings), own)
        report = build_report(settings, own.path)
        save_report(report, own)
        return report


def _stages(contexts: list[SplitContext]) -> list[Stage]:
    """The texts, the simulators and searches of the first split, the other simulators, the runs."""
    first, *others = contexts
    return [
        *simulator_stages(first),
        *_searches(first),
        *(stage for context in others for stage in simulator_stages(context)[1:]),
        *_runs(contexts),
    ]


def simulator_stages(context: SplitContext) -> list[Stage]:
    """Reading the item texts, which serves all splits, and making the simulators of one."""
    texts = Stage(
        "item texts",
        partial(language_simulators.read_texts, context),
        not language_simulators.reads_texts(context),
    )
    makers = [
        Stage(
            name,
            partial(simulators.build, simulator, context),
            simulators.is_built(simulator, context),
            (texts.name,),
        )
        for name, simulator in _simulator_names(context).items()
    ]
    return [texts, *makers]


def _simulator_names(context: SplitContext) -> dict[str, str]:
    """The simulators of a split by the names of their stages."""
    return {f"{name}, split {context.split}": name for name in context.settings.simulators}


def _searches(context: SplitContext) -> list[Stage]:
    settings = context.settings
    needed = tuple(_simulator_names(context))
    return [
        Stage(
            _search_name(backbone, method.name),
            partial(search.search, backbone, method, context),
            search.is_searched(settings, context.out, backbone, method),
            () if method.simulator is None else needed,
        )
        for method in settings.searches
        for backbone in settings.backbones
    ]


def _search_name(backbone: str, method: str) -> str:
    return f"search {backbone} {method}"


def _runs(contexts: list[SplitContext]) -> list[Stage]:
    """All runs, each of which needs its settings, and who answers in its episodes."""
    settings = contexts[0].settings
    runs = runs_of(settings)
    stages = []
    for run in runs:
        context, needs = contexts[run.split], tuple(_simulator_names(contexts[run.split]))
        if run.backbone is not None:
            tuned = settings.tuned(run.method)
            needs += (_search_name(run.backbone, tuned.name),)
            if search.is_searched(settings, context.out, run.backbone, tuned):
                measure.check_run(run, context)
        stages.append(
            Stage(
                run.name, partial(measure.do_run, run, context, runs), run.is_done(context), needs
            )
        )
    return stages
