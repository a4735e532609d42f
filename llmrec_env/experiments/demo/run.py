"""One demo run: its stages in order, what each found, and the report."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import fingerprint, read_json, refuse_others, write_json
from llmrec_env.common.parallel import Job, available_cores, run_jobs
from llmrec_env.data.source import Source, open_source
from llmrec_env.experiments.demo import language, offline, recommenders, returns
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.reporting import Facts, Report
from llmrec_env.users.language import LanguageUser

Found = dict[str, Any]
Stage = Callable[[DemoSettings, Source, Any], Found]
USER, POLICIES, BASELINES = "simulated user", "policies in the environment", "baselines"
LEARNING = "learning to be the user"


def run_demo(
    settings: DemoSettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Run every stage, save the report to ``folder`` and return it.

    Args:
        settings: what to do.
        folder: the run folder: stages, the LE, ``config.json``, ``results.json``, the page.
        workers: stages that run at once, each in a process and with one thread of its own; one a
            core where None. With more than one, a script has to call this under
            ``if __name__ == "__main__":``, as ``multiprocessing`` asks.

    Raises:
        SettingError: the folder holds a run with other settings, or something else.
        SimulatorError: the settings name an LE of another catalogue.
    """
    path = Path(folder)
    _claim(path, settings)
    _source.cache_clear()
    _simulator.cache_clear()
    source = _source(settings)
    language.check_simulator(settings, source)
    _run_missing(settings, path, workers or available_cores())
    names = list(_stages(settings, path))
    saved = {name: read_json(_stage_file(path, name)) for name in names}
    report = build_report(settings, source, {name: saved[name]["found"] for name in names})
    if (learning := _saved(settings, path, LEARNING)) is not None:
        saved[LEARNING] = learning
    report.seconds.update({name: stage["seconds"] for name, stage in saved.items()})
    report.save(path)
    return report


def _run_missing(settings: DemoSettings, run: Path, workers: int) -> None:
    """Run the stages that this folder lacks: beside the learning of the LE those without it."""
    jobs: dict[str, Job] = {
        name: partial(_run_stage, name, settings, run)
        for name in _stages(settings, run)
        if _saved(settings, run, name) is None
    }
    alone = {name: job for name, job in jobs.items() if name in _alone(settings)}
    if len(alone) < len(jobs) and not language.is_learned(settings, run):
        learn = partial(_learn_simulator, settings, run)
        run_jobs({LEARNING: learn, **alone}, workers)
        jobs = {name: job for name, job in jobs.items() if name not in alone}
    run_jobs(jobs, workers)


def _stages(settings: DemoSettings, run: Path) -> dict[str, Stage]:
    """The stages of a run by name, those that take longest first."""
    models = run / "recommenders"
    return {
        **{n: partial(recommenders.measure, n, models) for n in reversed(_fits(settings))},
        POLICIES: returns.measure,
        **{_table(table): partial(offline.measure, table) for table in offline.TABLES},
        USER: language.measure,
        BASELINES: recommenders.measure_baselines,
    }


def _fits(settings: DemoSettings) -> list[str]:
    """The recommenders, those that take longest last."""
    return [f"{b} {variant}" for variant in recommenders.VARIANTS for b in settings.backbones]


def _alone(settings: DemoSettings) -> list[str]:
    """The stages that need no simulated user."""
    fits = {name: recommenders.make_recommender(name, settings) for name in _fits(settings)}
    return [name for name, fit in fits.items() if not fit.config.needs_simulator]


def _table(table: str) -> str:
    return f"d3rlpy, {table}"


def _learn_simulator(settings: DemoSettings, run: Path) -> None:
    began = time.perf_counter()
    language.learn_simulator(settings, _source(settings), run)
    _save(LEARNING, settings, run, time.perf_counter() - began, {})


def _run_stage(name: str, settings: DemoSettings, run: Path) -> None:
    """Run one stage, and keep what it found in the run folder."""
    source = _source(settings)
    simulator = None if name in _alone(settings) else _simulator(settings, run)
    began = time.perf_counter()
    found = _stages(settings, run)[name](settings, source, simulator)
    _save(name, settings, run, time.perf_counter() - began, found)


def _save(name: str, settings: DemoSettings, run: Path, seconds: float, found: Found) -> None:
    stage = {"key": _key(settings), "name": name, "seconds": seconds, "found": found}
    write_json(_stage_file(run, name), stage)


@lru_cache(maxsize=1)
def _source(settings: DemoSettings) -> Source:
    """The log, opened once a process."""
    return open_source(settings.data, settings.seed, settings.world_size)


@lru_cache(maxsize=1)
def _simulator(settings: DemoSettings, run: Path) -> LanguageUser:
    """The LE, opened once a process."""
    return language.open_simulator(settings, _source(settings), run)


def _key(settings: DemoSettings) -> str:
    return fingerprint([json.dumps(settings.to_json(), sort_keys=True)])


def _stage_file(run: Path, name: str) -> Path:
    return run / "stages" / f"{name}.json"


def _saved(settings: DemoSettings, run: Path, name: str) -> Found | None:
    """What a stage of this run found, in this try or an earlier one."""
    path = _stage_file(run, name)
    saved = read_json(path) if path.exists() else {}
    return saved if saved.get("key") == _key(settings) else None


def build_report(settings: DemoSettings, source: Source, found: dict[str, Found]) -> Report:
    """The report of what the stages found."""
    user, policies = found[USER], found[POLICIES]
    tables = _together(found[_table(table)] for table in offline.TABLES)
    fits = sorted(_fits(settings), key=lambda name: settings.backbones.index(name.split()[0]))
    ranked = _together(found[name] for name in (BASELINES, *fits))
    command = settings.command
    report = Report(
        title=f"llmrec demo on {source.name}",
        lede=(
            "A language model learned to be the user of this log. Here is how far it can be "
            "believed, and what recommenders learned from it, judged on users nobody learned from."
        ),
        command=command,
        settings=settings.to_json(),
        seeds={"split and learning": settings.seed},
    )
    in_short = report.section("In short")
    in_short.add(*language.findings(user), *returns.findings(policies))
    in_short.add(*recommenders.findings(ranked))
    split = source.split
    report.section("The log", "Split by user: whoever is judged was never learned from.").add(
        Facts(
            {
                "users": source.log.n_users,
                "items": source.log.n_items,
                "interactions": len(source.log),
                "interactions a user, mean": round(len(source.log) / source.log.n_users, 1),
                "training / validation / test users": (
                    f"{split.train.n_users} / {split.validation.n_users} / {split.test.n_users}"
                ),
            }
        )
    )
    language.write(report, user, command)
    returns.write(report, policies, command)
    offline.write(report, tables, command)
    recommenders.write(report, ranked, command)
    return report


def _together(parts: Iterable[Found]) -> Found:
    """The rows and learning curves of several stages as if one had found them."""
    listed = list(parts)
    curves = {name: curve for part in listed for name, curve in part.get("curves", {}).items()}
    return {"rows": [row for part in listed for row in part["rows"]], "curves": curves}


def _claim(folder: Path, settings: DemoSettings) -> None:
    path = folder / "settings.json"
    refuse_others(folder, path.name)
    if path.exists() and DemoSettings.from_json(read_json(path)) != settings:
        raise SettingError(
            f"{folder} holds a run with other settings; name another with --out, or remove it"
        )
    write_json(path, settings.to_json())
