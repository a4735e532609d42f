"""Trains and judges what a panel lacks, and builds its report.

A panel is one folder::

    run.json                      what is ranked on which log
    policies/sasrec ...           what was trained, each once
    returns/le.json ...           what a policy earned, user by user, in both worlds
    logs/2000, estimates/2000/    a log of so many episodes, and what it tells of each policy
    policies.csv, policies.parquet    one row a policy
    report.html, results.md, results.json, config.json, figures/
"""

from __future__ import annotations

import os
import time
from functools import lru_cache, partial

from llmrec_env.common.errors import SettingError
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.source import log_fingerprint
from llmrec_env.evaluation.policies import Policy
from llmrec_env.evaluation.returns import at_most, evaluate_policy
from llmrec_env.experiments.opened import check_simulator, close_opened, opened_simulator
from llmrec_env.experiments.policy_ranking import off_policy
from llmrec_env.experiments.policy_ranking.members import MEMBERS, TRAININGS
from llmrec_env.experiments.policy_ranking.panel import Panel
from llmrec_env.experiments.policy_ranking.report import Judged, build_report, policy_rows
from llmrec_env.experiments.policy_ranking.settings import PolicyRankingSettings
from llmrec_env.experiments.policy_ranking.worlds import judges, known_users, true_users
from llmrec_env.experiments.stages import Stage, run_stages
from llmrec_env.experiments.tables import save_report, write_rows
from llmrec_env.language.saving import saved_fingerprint
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
    _panel.cache_clear()
    source = settings.source
    known_users(source, source.split.test)  # refused before anything is learned
    check_simulator(settings.simulator_folder, source)
    contents = {
        "log": log_fingerprint(source.log),
        "simulated_user": saved_fingerprint(settings.simulator_folder),
    }
    asked = settings.to_json()
    with RunFolder.claim(place, settings.KIND, asked, settings.GROWING, contents) as own:
        run_stages(_stages(settings, own), workers)
        judged, estimated = read_panel(settings, own)
        write_rows(policy_rows(judged), own, "policies")
        report = build_report(settings, source, judged, estimated)
        save_report(report, own)
        return report


def _stages(settings: PolicyRankingSettings, own: RunFolder) -> list[Stage]:
    """The judging of every policy, each after its training: what is cheap is known first."""
    judging = [
        Stage(
            f"judge {name}",
            partial(_judge, name, settings, own),
            own.has(_returns_piece(name)),
            _trained(name),
        )
        for name in sorted(settings.policies, key=list(MEMBERS).index)
    ]
    wanted = [*judging, *(_estimating(settings, own) if settings.logged else [])]
    training = {
        f"train {name}": Stage(
            f"train {name}", partial(_train, name, settings, own), own.has(_training_piece(name))
        )
        for name in TRAININGS
    }
    stages: dict[str, Stage] = {}
    for stage in wanted:
        needed = [] if stage.is_done else [name for name in stage.needs if name in training]
        stages |= {name: training[name] for name in needed if name not in stages}
        stages[stage.name] = stage
    return list(stages.values())


def _estimating(settings: PolicyRankingSettings, own: RunFolder) -> list[Stage]:
    """The log of a policy that explores, and what it tells of every policy."""
    log = Stage(
        "collect the log",
        partial(_collect, settings, own),
        own.has(_log_piece(settings)),
        (f"train {off_policy.LOGGED_BY}",),
    )
    estimates = [
        Stage(
            f"estimate {name}",
            partial(_estimate, name, settings, own),
            own.has(_estimates_piece(name, settings)),
            (log.name, *_trained(name), *log.needs),
        )
        for name in settings.policies
    ]
    return [log, *estimates] if not all(stage.is_done for stage in estimates) else []


def _trained(name: str) -> tuple[str, ...]:
    """The stage that trains a policy, where one does."""
    training = MEMBERS[name].training
    return (f"train {training}",) if training else ()


def _train(name: str, settings: PolicyRankingSettings, own: RunFolder) -> None:
    checkpoints = f"checkpoints/{name}"
    with own.making(_training_piece(name)) as folder:
        TRAININGS[name](_panel(settings), folder, own.path / checkpoints)
    own.remove(checkpoints)


def _judge(name: str, settings: PolicyRankingSettings, own: RunFolder) -> None:
    """Let a policy act among simulated and among true users, and keep what each user paid."""
    began = time.process_time()  # stages share the cores, so a clock would tell of the others
    panel = _panel(settings)
    policy = _made(name, panel, own)
    found: Judged = {"worlds": {}}
    episodes = at_most(settings.episodes, known_users(settings.source, panel.split.test))
    for world, users in judges(settings.source, panel.simulator).items():
        earned = evaluate_policy(policy, users, episodes=episodes, seed=settings.seed)
        found["worlds"][world] = {**earned.summary(), "returns": earned.returns.tolist()}
    found["cpu_seconds"] = round(time.process_time() - began, 1)
    own.write(_returns_piece(name), found, sort_keys=False)


def read_panel(
    settings: PolicyRankingSettings, own: RunFolder
) -> tuple[dict[str, Judged], dict[str, off_policy.Found]]:
    """What every policy of a finished panel earned, and what the log, if any, told of it, by name.

    Raises:
        SettingError: a policy was not judged or estimated yet.
    """
    told = [_estimates_piece(name, settings) for name in settings.policies if settings.logged]
    missing = [p for p in (*map(_returns_piece, settings.policies), *told) if not own.has(p)]
    if missing:
        raise SettingError(
            f"{own.path} holds an unfinished panel: {missing[0]} is missing; repeat its command "
            f"({settings.command})"
        )
    judged = {name: _read(name, own) for name in settings.policies}
    return judged, dict(zip(settings.policies, map(own.read, told), strict=False))


def _read(name: str, own: RunFolder) -> Judged:
    """What a policy earned, under the name by which tables call it."""
    member = MEMBERS[name]
    return {"label": member.label, "kind": member.kind, **own.read(_returns_piece(name))}


def _made(name: str, panel: Panel, own: RunFolder) -> Policy:
    member = MEMBERS[name]
    return member.make(panel, own.path / _training_piece(member.training or name))


def _collect(settings: PolicyRankingSettings, own: RunFolder) -> None:
    panel = _panel(settings)
    users = true_users(settings.source, panel.simulator, panel.split.train)
    policy = _made(off_policy.LOGGED_BY, panel, own)
    log = off_policy.collect_log(policy, users, settings.logged, settings.seed)
    log.save(own.path / _log_piece(settings))


def _estimate(name: str, settings: PolicyRankingSettings, own: RunFolder) -> None:
    """What the log tells of a policy, and keep it."""
    panel = _panel(settings)
    found = off_policy.estimates(
        _made(name, panel, own),
        _made(off_policy.LOGGED_BY, panel, own),
        CollectedLog.load(own.path / _log_piece(settings)),
        panel,
        settings.steps(off_policy.FITTING_STEPS, least=2),
    )
    own.write(_estimates_piece(name, settings), found, sort_keys=False)


@lru_cache(maxsize=1)
def _panel(settings: PolicyRankingSettings) -> Panel:
    return Panel(
        split=settings.source.split,
        simulator=opened_simulator(settings.simulator_folder, settings.source),
        seed=settings.seed,
        epochs=settings.steps(settings.epochs),
        ppo_steps=settings.steps(settings.ppo_steps, least=settings.ppo_envs * 8),
        ppo_envs=settings.ppo_envs,
        d3rlpy_steps=settings.steps(settings.d3rlpy_steps, least=2),
    )


def _training_piece(name: str) -> str:
    return f"policies/{name}"


def _log_piece(settings: PolicyRankingSettings) -> str:
    return f"logs/{settings.logged}"


def _estimates_piece(name: str, settings: PolicyRankingSettings) -> str:
    return f"estimates/{settings.logged}/{name}.json"


def _returns_piece(name: str) -> str:
    return f"returns/{name}.json"
