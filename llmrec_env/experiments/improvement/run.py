"""Learns, improves and judges what a run lacks, and builds its report.

A run is one folder::

    run.json                             what is improved on which log
    ensemble/                            the LE with members, where it had none
    recommenders/0 ...                   what learned from the log
    improved/pessimism-0 ...             the recommender after all steps of an arm
    judged/recommender-0.json            what each test user paid to it
    judged/pessimism-0.json              the same after each step of an arm
    steps.csv, steps.parquet             one row a step
    report.html, results.md, results.json, config.json, figures/
"""

from __future__ import annotations

import os
from functools import partial

from agents import Recommender, Supervised
from agents.improving import ImprovedRecommender, improve
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.evaluation.policies import Policy
from llmrec_env.experiments.improvement.judging import Earned, Mixture, judge, judges
from llmrec_env.experiments.improvement.report import build_report, step_rows
from llmrec_env.experiments.improvement.settings import ALONE, MIXTURE, TRUTH, ImprovementSettings
from llmrec_env.experiments.le_members import (
    ENSEMBLE,
    folder_with_members,
    give_members,
    has_members,
    refuse_members,
)
from llmrec_env.experiments.opened import check_simulator, close_opened, opened_simulator
from llmrec_env.experiments.policy_ranking.worlds import known_users, true_users
from llmrec_env.experiments.stages import Stage, run_stages
from llmrec_env.experiments.tables import save_report, write_rows
from llmrec_env.reporting import Report
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser

BEGIN = "recommender"
"""What the steps of every arm are compared with."""


def run_improvement(
    settings: ImprovementSettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Do what a run lacks, write its tables and its report, and return that.

    Args:
        settings: what to do.
        folder: where everything is kept; more arms and seeds may be asked of it later.
        workers: stages at once, each in a process and with one thread of its own; one a core
            where None. With more than one, a script has to call this under
            ``if __name__ == "__main__":``, as ``multiprocessing`` asks.

    Raises:
        SettingError: the folder holds a run of other settings, another log or another LE, or an
            arm learns among true users whom nobody knows.
        SimulatorError: the LE knows other items than the log, or learned from other users.
    """
    place = RunFolder.check(folder, settings.KIND)
    close_opened()
    check_simulator(settings.simulator_folder, settings.source)
    if ALONE in settings.arms:
        refuse_members(settings.simulator_folder, ALONE)
    if TRUTH in settings.arms:
        known_users(settings.source, settings.source.split.train)  # refused before anything else
    asked, growing = settings.to_json(), settings.GROWING
    with RunFolder.claim(place, settings.KIND, asked, growing, settings.contents) as own:
        run_stages(_stages(settings, own), workers)
        numbers = range(settings.seeds)
        found = {
            arm: [[own.read(_judged(BEGIN, n)), *own.read(_judged(arm, n))] for n in numbers]
            for arm in settings.arms
        }
        write_rows(step_rows(found), own, "steps")
        report = build_report(settings, settings.source, found)
        save_report(report, own)
        return report


def _judged(arm: str, number: int) -> str:
    return f"judged/{arm}-{number}.json"


def _recommender(number: int) -> str:
    return f"recommenders/{number}"


def _stages(settings: ImprovementSettings, own: RunFolder) -> list[Stage]:
    """The members, where the LE has none, the recommenders, and what becomes of them."""
    members = Stage("members", partial(give_members, settings, own), own.has(ENSEMBLE))
    stages = [] if has_members(settings.simulator_folder) else [members]
    needed = tuple(stage.name for stage in stages if not stage.is_done)
    for number in range(settings.seeds):
        fit = Stage(
            f"recommender {number}",
            partial(_fit, number, settings, own),
            own.has(_recommender(number)),
        )
        needs = needed if fit.is_done else (*needed, fit.name)
        stages.append(fit)
        stages += [
            Stage(
                f"{arm} {number}" if arm != BEGIN else f"judge recommender {number}",
                partial(_judge if arm == BEGIN else _improve, arm, number, settings, own),
                own.has(_judged(arm, number)),
                needs,
            )
            for arm in (BEGIN, *settings.arms)
        ]
    return stages


def _fit(number: int, settings: ImprovementSettings, own: RunFolder) -> None:
    split, checkpoints = settings.source.split, f"checkpoints/{number}"
    epochs = settings.steps(settings.epochs)
    recommender = Supervised(settings.backbone, epochs=epochs, seed=settings.seed + number)
    with own.making(_recommender(number)) as folder:
        recommender.fit(split.train, None, split.validation, own.path / checkpoints)
        recommender.save(folder)
    own.remove(checkpoints)


def _opened(
    number: int, settings: ImprovementSettings, own: RunFolder
) -> tuple[Recommender, LanguageUser]:
    """A recommender and the LE with members."""
    source = settings.source
    path = own.path / _recommender(number)
    recommender = Recommender.load(path, source.split.train.catalogue)
    return recommender, opened_simulator(folder_with_members(settings, own), source)


def _judge(arm: str, number: int, settings: ImprovementSettings, own: RunFolder) -> None:
    """Judge a recommender as it is."""
    recommender, simulator = _opened(number, settings, own)
    own.write(_judged(arm, number), _earned(recommender, settings, simulator), sort_keys=False)


def _earned(policy: Policy, settings: ImprovementSettings, simulator: LanguageUser) -> Earned:
    worlds = judges(settings.source, simulator, settings.episodes, settings.seed)
    return judge(policy, worlds, settings.lucks, settings.seed)


def _improve(arm: str, number: int, settings: ImprovementSettings, own: RunFolder) -> None:
    """Improve a recommender step by step, and judge it after each."""
    recommender, simulator = _opened(number, settings, own)
    judged: list[Earned] = []

    def keep(policy: ImprovedRecommender, step: int) -> None:
        judged.append(_earned(policy, settings, simulator))

    if arm == MIXTURE:
        judged.append(_earned(Mixture(recommender, simulator), settings, simulator))
    else:
        users = _among(arm, settings, simulator)
        policy = improve(recommender, users, None, settings.config(arm, number), keep)
        policy.save(own.path / "improved" / f"{arm}-{number}")
    own.write(_judged(arm, number), judged, sort_keys=False)


def _among(arm: str, settings: ImprovementSettings, simulator: LanguageUser) -> UserSimulator:
    """Among whom an arm improves."""
    train = settings.source.split.train
    if arm == TRUTH:
        return true_users(settings.source, simulator, train)
    if arm == ALONE:
        return opened_simulator(settings.simulator_folder, settings.source).with_users(train)
    return simulator.with_users(train)
