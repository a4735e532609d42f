"""Trains and judges what a panel lacks, and builds its report.

A panel is one folder::

    run.json                      what is ranked on which log
    policies/sasrec ...           what was trained, each once
    returns/le.json ...           what a policy earned, user by user, in both worlds
    judges/members ...            what judges learned, each once
    judged/factors/le.json ...    what a judge says of a policy, user by user
    logs/2000, estimates/2000/    a log of so many episodes, and what it tells of each policy
    logged/2000/                  what each policy would show at its steps
    policies.csv, policies.parquet    one row a policy
    judges.csv, judges.parquet    one row a judge
    report.html, results.md, results.json, config.json, figures/
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from llmrec_env.common.errors import SettingError
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.evaluation.returns import at_most, evaluate_policy
from llmrec_env.experiments.opened import check_simulator, close_opened
from llmrec_env.experiments.policy_ranking import off_policy
from llmrec_env.experiments.policy_ranking.cross_fit import le_stages
from llmrec_env.experiments.policy_ranking.judge_report import judge_rows
from llmrec_env.experiments.policy_ranking.judges import lacks
from llmrec_env.experiments.policy_ranking.judging import (
    COLLECT,
    judge_stages,
    judged,
    log_piece,
    returns_piece,
    trained,
)
from llmrec_env.experiments.policy_ranking.members import MEMBERS, TRAININGS
from llmrec_env.experiments.policy_ranking.report import (
    SIMULATED,
    TRUE,
    Judged,
    build_report,
    policy_rows,
    true_scores,
)
from llmrec_env.experiments.policy_ranking.settings import PolicyRankingSettings
from llmrec_env.experiments.policy_ranking.workshop import (
    made_policy,
    make_piece,
    opened_panel,
    training_piece,
)
from llmrec_env.experiments.policy_ranking.worlds import known_users, true_users
from llmrec_env.experiments.stages import Stage, run_stages
from llmrec_env.experiments.tables import save_report, write_rows
from llmrec_env.offline.collected import CollectedLog
from llmrec_env.reporting import Report


def run_policy_ranking(
    settings: PolicyRankingSettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Train and judge what a panel lacks, write its tables and its report, and return that.

    Args:
        settings: what to do.
        folder: where everything is kept; more policies may be asked of it later.
        workers: stages at once, each in a process and with one thread of its own; one a core where
            None. With more than one, a script has to call this under
            ``if __name__ == "__main__":``, as ``multiprocessing`` asks.

    Raises:
        SettingError: nobody knows the true users of the log, or the folder holds a panel of other
            settings, another log or another LE.
        SimulatorError: the LE knows other items than the log, or learned from other users.
    """
    place = RunFolder.check(folder, settings.KIND)
    close_opened()
    opened_panel.cache_clear()
    source = settings.source
    _check_truth(settings)  # refused before anything is learned
    check_simulator(settings.simulator_folder, source)
    asked, growing = settings.to_json(), settings.GROWING
    with RunFolder.claim(place, settings.KIND, asked, growing, settings.contents) as own:
        run_stages(_stages(settings, own), workers)
        earned, estimated = read_panel(settings, own)
        write_rows(policy_rows(earned), own, "policies")
        scores = judged(settings, own, settings.judges)
        if (true := true_scores(earned)) is not None:
            labels = [one["label"] for one in earned.values()]
            write_rows(judge_rows(scores, true, labels), own, "judges")
        report = build_report(settings, source, earned, estimated, scores)
        save_report(report, own)
        return report


def _check_truth(settings: PolicyRankingSettings) -> None:
    """Refuse what only a known truth can answer, where nobody knows it.

    Raises:
        SettingError: an off-policy log or a judge asks for true users, of whom there are none.
    """
    asking = [name for name in settings.judges if lacks(name, False, settings.cross_fit)]
    if asking or settings.logged:
        known_users(settings.source, settings.source.split.test)


def _stages(settings: PolicyRankingSettings, own: RunFolder) -> list[Stage]:
    """The judging of every policy, each after its training: what is cheap is known first."""
    judging = [
        Stage(
            f"judge {name}",
            partial(_judge, name, settings, own),
            own.has(returns_piece(name)),
            trained(name),
        )
        for name in sorted(settings.policies, key=list(MEMBERS).index)
    ]
    wanted = [
        *judging,
        *judge_stages(settings, own),
        *(_estimating(settings, own) if settings.logged else []),
    ]
    first = le_stages(settings, own) if settings.cross_fit else []
    training = {
        f"train {name}": Stage(
            f"train {name}",
            partial(make_piece, training_piece(name), name, train, settings, own),
            own.has(training_piece(name)),
        )
        for name, train in TRAININGS.items()
    } | {COLLECT: _collecting(settings, own)}
    stages: dict[str, Stage] = {}
    for stage in wanted:
        for name in () if stage.is_done else stage.needs:
            _add(name, training, stages)
        stages[stage.name] = stage
    needs = tuple(stage.name for stage in first)
    return [*first, *(replace(own, needs=(*own.needs, *needs)) for own in stages.values())]


def _add(name: str, training: Mapping[str, Stage], stages: dict[str, Stage]) -> None:
    """Add a stage that another one needs, after those that it needs itself."""
    if name in training and name not in stages:
        for before in training[name].needs if not training[name].is_done else ():
            _add(before, training, stages)
        stages[name] = training[name]


def _estimating(settings: PolicyRankingSettings, own: RunFolder) -> list[Stage]:
    """What the log of a policy that explores tells of every policy."""
    return [
        Stage(
            f"estimate {name}",
            partial(_estimate, name, settings, own),
            own.has(_estimates_piece(name, settings)),
            (COLLECT, *trained(name), *trained(off_policy.LOGGED_BY)),
        )
        for name in settings.policies
    ]


def _collecting(settings: PolicyRankingSettings, own: RunFolder) -> Stage:
    needs = trained(off_policy.LOGGED_BY)
    return Stage(COLLECT, partial(_collect, settings, own), own.has(log_piece(settings)), needs)


def _judge(name: str, settings: PolicyRankingSettings, own: RunFolder) -> None:
    """Let a policy act among simulated and among true users, and keep what each user paid."""
    began = time.process_time()  # stages share the cores, so a clock would tell of the others
    panel = opened_panel(settings, own.path)
    policy = made_policy(name, panel, own.path)
    found: Judged = {"worlds": {}}
    episodes = at_most(settings.episodes, panel.people)
    for world, users in {SIMULATED: panel.simulator, TRUE: panel.truth}.items():
        if users is not None:
            among = panel.seen_by_policies(users)
            earned = evaluate_policy(policy, among, episodes=episodes, seed=settings.seed)
            found["worlds"][world] = {**earned.summary(), "returns": earned.returns.tolist()}
    found["cpu_seconds"] = round(time.process_time() - began, 1)
    own.write(returns_piece(name), found, sort_keys=False)


def read_panel(
    settings: PolicyRankingSettings, own: RunFolder
) -> tuple[dict[str, Judged], dict[str, off_policy.Found]]:
    """What every policy of a finished panel earned, and what the log, if any, told of it, by name.

    Raises:
        SettingError: a policy was not judged or estimated yet.
    """
    told = [_estimates_piece(name, settings) for name in settings.policies if settings.logged]
    missing = [p for p in (*map(returns_piece, settings.policies), *told) if not own.has(p)]
    if missing:
        raise SettingError(
            f"{own.path} holds an unfinished panel: {missing[0]} is missing; repeat its command "
            f"({settings.command})"
        )
    earned = {name: _read(name, own) for name in settings.policies}
    return earned, dict(zip(settings.policies, map(own.read, told), strict=False))


def _read(name: str, own: RunFolder) -> Judged:
    """What a policy earned, under the name by which tables call it."""
    member = MEMBERS[name]
    return {"label": member.label, "kind": member.kind, **own.read(returns_piece(name))}


def _collect(settings: PolicyRankingSettings, own: RunFolder) -> None:
    panel = opened_panel(settings, own.path)
    users = true_users(settings.source, panel.simulator, panel.split.train)
    policy = made_policy(off_policy.LOGGED_BY, panel, own.path)
    log = off_policy.collect_log(policy, users, settings.log_size, settings.seed)
    log.save(own.path / log_piece(settings))


def _estimate(name: str, settings: PolicyRankingSettings, own: RunFolder) -> None:
    """What the log tells of a policy, and keep it."""
    panel = opened_panel(settings, own.path)
    found = off_policy.estimates(
        made_policy(name, panel, own.path),
        made_policy(off_policy.LOGGED_BY, panel, own.path),
        CollectedLog.load(own.path / log_piece(settings)),
        panel,
        settings.steps(off_policy.FITTING_STEPS, least=2),
    )
    own.write(_estimates_piece(name, settings), found, sort_keys=False)


def _estimates_piece(name: str, settings: PolicyRankingSettings) -> str:
    return f"estimates/{settings.logged}/{name}.json"
