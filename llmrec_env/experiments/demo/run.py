"""Runs the demo's stages and builds its report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from llmrec_env.common.files import local_path
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.source import Source, log_fingerprint
from llmrec_env.experiments.demo import improving, language, offline, recommenders, returns
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.experiments.opened import check_simulator, close_opened, opened_simulator
from llmrec_env.experiments.stages import Stage, run_stages
from llmrec_env.experiments.tables import add_log, begin_report, save_report
from llmrec_env.experiments.verdicts import shortened
from llmrec_env.language.saving import saved_fingerprint
from llmrec_env.reporting import Report

Found = dict[str, Any]
Measure = Callable[[DemoSettings, Source, Any], Found]
"""What a stage does, given the log and the simulated user (None where it needs none)."""
USER, POLICIES, BASELINES = "simulated user", "policies in the environment", "baselines"
LEARNING = "learning to be the user"
RECOMMENDED = "recommenders in the environment"
IMPROVED = "what RL adds to a recommender"


def run_demo(
    settings: DemoSettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Run the stages that are missing, save the report to ``folder`` and return it.

    Args:
        settings: what to do.
        folder: the run folder: stages, the LE, ``run.json``, ``results.json``, the page.
        workers: stages that run at once, each in a process and with one thread of its own; one a
            core where None. With more than one, a script has to call this under
            ``if __name__ == "__main__":``, as ``multiprocessing`` asks.

    Raises:
        SettingError: the folder holds a run of other settings or data, or something else.
        SimulatorError: the settings name an LE of another catalogue.
    """
    place = RunFolder.check(folder, settings.KIND)
    close_opened()
    contents = {"log": log_fingerprint(settings.source.log)}
    if settings.simulator is not None:
        simulator = local_path(settings.simulator, "simulator")
        check_simulator(simulator, settings.source)
        contents["simulated_user"] = saved_fingerprint(simulator)
    with RunFolder.claim(place, settings.KIND, settings.to_json(), contents=contents) as run:
        if language.is_learned(settings, run):
            run.remove(language.CHECKPOINT)  # of one that was killed as it was about to
        run_stages(_stages(settings, run), workers)
        saved = {name: run.read(_piece(name)) for name in _measures(settings, run)}
        report = build_report(settings, {name: stage["found"] for name, stage in saved.items()})
        if run.has(_piece(LEARNING)):
            saved[LEARNING] = run.read(_piece(LEARNING))
        report.seconds.update({name: stage["seconds"] for name, stage in saved.items()})
        save_report(report, run)
        return report


def _stages(settings: DemoSettings, run: RunFolder) -> list[Stage]:
    """All stages; the LE is learned only where one that is missing needs it."""
    stages = [
        Stage(
            name,
            partial(_run_stage, name, settings, run),
            run.has(_piece(name)),
            _needs(name, settings),
        )
        for name in _measures(settings, run)
    ]
    if language.is_learned(settings, run) or all(stage.is_done for stage in stages if stage.needs):
        return stages
    return [Stage(LEARNING, partial(_learn_simulator, settings, run)), *stages]


def _needs(name: str, settings: DemoSettings) -> tuple[str, ...]:
    """The stages that come before one."""
    fits: tuple[str, ...] = ()
    if name in (RECOMMENDED, IMPROVED, recommenders.MIXED):
        fits = tuple(n for n in _fits(settings) if name == RECOMMENDED or n.endswith(" plain"))
    return fits if name in _alone(settings) else (LEARNING, *fits)


def _measures(settings: DemoSettings, run: RunFolder) -> dict[str, Measure]:
    """What the stages do, by name, the longest first."""
    models = run.path / "recommenders"
    return {
        **{n: partial(recommenders.measure, n, models) for n in reversed(_fits(settings))},
        POLICIES: returns.measure,
        IMPROVED: partial(improving.measure, models),
        **{_table(table): partial(offline.measure, table) for table in offline.TABLES},
        USER: language.measure,
        BASELINES: recommenders.measure_baselines,
        recommenders.MIXED: partial(recommenders.measure_mixed, models),
        RECOMMENDED: partial(returns.measure_recommenders, models, _fits(settings)),
    }


def _fits(settings: DemoSettings) -> list[str]:
    """The recommenders, the longest last."""
    return [f"{b} {method}" for method in recommenders.METHODS for b in settings.backbones]


def _alone(settings: DemoSettings) -> list[str]:
    """The stages that need no simulated user."""
    fits = {name: recommenders.make_recommender(name, settings) for name in _fits(settings)}
    return [name for name, fit in fits.items() if not fit.config.needs_simulator]


def _table(table: str) -> str:
    return f"d3rlpy, {table}"


def _piece(name: str) -> str:
    """The file that holds what a stage found."""
    return f"stages/{name}.json"


def _learn_simulator(settings: DemoSettings, run: RunFolder) -> None:
    began = time.perf_counter()
    language.learn_simulator(settings, run)
    _write(LEARNING, run, time.perf_counter() - began, {})


def _run_stage(name: str, settings: DemoSettings, run: RunFolder) -> None:
    """Run one stage, and keep what it found in the run folder."""
    source, simulator = settings.source, None
    if name not in _alone(settings):
        simulator = opened_simulator(language.simulator_folder(settings, run), source)
    began = time.perf_counter()
    found = _measures(settings, run)[name](settings, source, simulator)
    _write(name, run, time.perf_counter() - began, found)


def _write(name: str, run: RunFolder, seconds: float, found: Found) -> None:
    run.write(_piece(name), {"name": name, "seconds": seconds, "found": found})


def build_report(settings: DemoSettings, found: dict[str, Found]) -> Report:
    """The report of what the stages found."""
    user, policies = found[USER], found[POLICIES]
    tables = _together(found[_table(table)] for table in offline.TABLES)
    fits = sorted(_fits(settings), key=lambda name: settings.backbones.index(name.split()[0]))
    ranked = _together(found[name] for name in (BASELINES, *fits, recommenders.MIXED))
    report = begin_report(
        settings,
        settings.source,
        "A language model learned to be the user of this log. Here is how far it can be believed, "
        "and what recommenders learned from it, evaluated on users nobody learned from."
        f"{shortened(settings.budget)}",
        {"split and learning": settings.seed},
    )
    in_short = report.section("In short")
    budget = settings.budget
    in_short.add(*improving.findings(found[IMPROVED], budget))
    in_short.add(*language.findings(user, budget), *returns.findings(policies, budget))
    in_short.add(*recommenders.findings(ranked, budget))
    add_log(report, settings.source)
    language.write(report, user)
    returns.write(report, policies, found[RECOMMENDED])
    improving.write(report, found[IMPROVED])
    offline.write(report, tables)
    recommenders.write(report, ranked)
    return report


def _together(parts: Iterable[Found]) -> Found:
    """The rows and learning curves of several stages as if one had found them."""
    listed = list(parts)
    curves = {name: curve for part in listed for name, curve in part.get("curves", {}).items()}
    return {"rows": [row for part in listed for row in part["rows"]], "curves": curves}
