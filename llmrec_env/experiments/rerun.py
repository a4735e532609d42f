"""``llmrec rerun``: repeats a run with the settings saved in its folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from llmrec_env.common.errors import SettingError
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.experiments.settings import RunSettings
from llmrec_env.reporting import Report

Program = tuple[type[RunSettings], Callable[..., Report]]
"""The settings of a kind of run, and what runs it."""


def rerun(
    folder: str | os.PathLike[str], out: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Do a run again in another folder.

    Args:
        folder: of the run, finished or not.
        out: the new run's folder.
        workers: processes at work at once; one a core where None.

    Raises:
        SettingError: ``folder`` holds no run, or one of a kind that keeps no settings.
    """
    kind, settings = RunFolder.open(Path(folder))
    if kind not in PROGRAMS:
        raise SettingError(
            f"{folder} is a folder of `llmrec {kind}`, which is not done again from its folder; "
            "repeat its command"
        )
    of_kind, run = PROGRAMS[kind]()
    return run(of_kind.from_json(settings), out, workers=workers)


# Each imports its own program only: together they would load every library that any of them needs.


def _demo() -> Program:
    from llmrec_env.experiments.demo import DemoSettings, run_demo

    return DemoSettings, run_demo


def _study() -> Program:
    from llmrec_env.experiments.study import StudySettings, run_study

    return StudySettings, run_study


def _offline() -> Program:
    from llmrec_env.experiments.offline_benchmark import OfflineSettings, run_offline

    return OfflineSettings, run_offline


def _exploit() -> Program:
    from llmrec_env.experiments.exploitability import ExploitabilitySettings, run_exploitability

    return ExploitabilitySettings, run_exploitability


def _improve() -> Program:
    from llmrec_env.experiments.improvement import ImprovementSettings, run_improvement

    return ImprovementSettings, run_improvement


def _fidelity() -> Program:
    from llmrec_env.experiments.fidelity import FidelitySettings, run_fidelity

    return FidelitySettings, run_fidelity


def _policy_ranking() -> Program:
    from llmrec_env.experiments.policy_ranking import PolicyRankingSettings, run_policy_ranking

    return PolicyRankingSettings, run_policy_ranking


def _sensitivity() -> Program:
    from llmrec_env.experiments.sensitivity import SensitivitySettings, run_sensitivity

    return SensitivitySettings, run_sensitivity


PROGRAMS: dict[str, Callable[[], Program]] = {
    "demo": _demo,
    "bench": _study,
    "bench exploit": _exploit,
    "bench fidelity": _fidelity,
    "bench improve": _improve,
    "bench offline": _offline,
    "bench policies": _policy_ranking,
    "bench sensitivity": _sensitivity,
}
