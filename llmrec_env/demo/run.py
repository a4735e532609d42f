"""One demo run: its stages in order, what each found, and the report."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import fingerprint, read_json, write_json
from llmrec_env.common.progress import console
from llmrec_env.demo import language, offline, recommenders, returns
from llmrec_env.demo.settings import DemoSettings, Source, open_source
from llmrec_env.reporting import Facts, Report

Found = dict[str, Any]


@dataclass
class Stages:
    """Runs each stage once: what it found is kept in the run folder and read from there later."""

    folder: Path
    key: str
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, work: Callable[[], Found]) -> Found:
        """What the stage ``name`` found, now or in an earlier try of the same run."""
        path = self.folder / "stages" / f"{name}.json"
        if path.exists():
            saved = read_json(path)
            if saved["key"] == self.key:
                self.seconds[name] = saved["seconds"]
                return dict(saved["found"])
        console.print(f"[bold]{name}[/bold]")
        began = time.perf_counter()
        found = work()
        self.seconds[name] = time.perf_counter() - began
        write_json(path, {"key": self.key, "seconds": self.seconds[name], "found": found})
        return found


def run_demo(settings: DemoSettings, folder: str | os.PathLike[str], show: bool = True) -> Report:
    """Run every stage, save the report to ``folder`` and return it.

    Args:
        settings: what to do.
        folder: the run folder: stages, the LE, ``config.json``, ``results.json``, the page.
        show: progress bars.

    Raises:
        SettingError: the folder holds a run with other settings.
    """
    path = Path(folder)
    _claim(path, settings)
    source = open_source(settings.data, settings.seed, settings.world_size)
    simulator = language.open_simulator(settings, source, path / "le", show)
    stages = Stages(path, fingerprint([json.dumps(settings.to_json(), sort_keys=True)]))
    found = {
        "language": stages.run(
            "the simulated user", lambda: language.measure(settings, source, simulator, show)
        ),
        "returns": stages.run(
            "policies in the environment",
            lambda: returns.measure(settings, source, simulator, show),
        ),
        "offline": stages.run(
            "offline learning", lambda: offline.measure(settings, source, simulator, show)
        ),
        "recommenders": stages.run(
            "recommenders", lambda: recommenders.measure(settings, source, simulator, path, show)
        ),
    }
    report = build_report(settings, source, found)
    report.seconds.update(stages.seconds)
    report.save(path, show=show)
    return report


def build_report(settings: DemoSettings, source: Source, found: dict[str, Found]) -> Report:
    """The report of what the stages found."""
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
    in_short.add(*language.findings(found["language"]), *returns.findings(found["returns"]))
    in_short.add(*recommenders.findings(found["recommenders"]))
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
    language.write(report, found["language"], command)
    returns.write(report, found["returns"], command)
    offline.write(report, found["offline"], command)
    recommenders.write(report, found["recommenders"], command)
    return report


def _claim(folder: Path, settings: DemoSettings) -> None:
    path = folder / "settings.json"
    if path.exists() and DemoSettings.from_json(read_json(path)) != settings:
        raise SettingError(
            f"{folder} holds a run with other settings; name another with --out, or remove it"
        )
    write_json(path, settings.to_json())
