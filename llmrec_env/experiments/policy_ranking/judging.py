"""The stages of a panel's judges, each of which asks one judge about every policy, and what they
said.

Of an asked or a log's judge the folder ``judged/NAME`` holds a file a policy with what it was worth
to each user; a log of a recommender that explores is read once for all, into ``logged/EPISODES``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from llmrec_env.common.run_folder import RunFolder
from llmrec_env.evaluation.judge_quality import PolicyScores
from llmrec_env.evaluation.later_takes import later_takes
from llmrec_env.evaluation.returns import at_most, evaluate_policy
from llmrec_env.experiments.policy_ranking import logged
from llmrec_env.experiments.policy_ranking.judges import (
    JUDGE_TRAININGS,
    JUDGES,
    AskedUsers,
    MeanPlace,
    OfLog,
    needed,
    reads_log,
)
from llmrec_env.experiments.policy_ranking.members import MEMBERS
from llmrec_env.experiments.policy_ranking.settings import PolicyRankingSettings
from llmrec_env.experiments.policy_ranking.workshop import (
    judge_piece,
    made_policy,
    make_piece,
    opened_panel,
)
from llmrec_env.experiments.stages import Stage
from llmrec_env.offline.collected import CollectedLog

LE = "le"
"""The judge that the panel asks anyhow."""
COLLECT = "collect the log"


def log_piece(settings: PolicyRankingSettings) -> str:
    """Where the log of the recommender that explores lies."""
    return f"logs/{settings.log_size}"


def returns_piece(name: str) -> str:
    """Where it stands what a policy earned among simulated and among true users."""
    return f"returns/{name}.json"


def judge_stages(settings: PolicyRankingSettings, own: RunFolder) -> list[Stage]:
    """A stage for each judge, and one for each training that judges need."""
    stages = []
    wanted = {name: JUDGES[name] for name in needed(settings.judges) if name != LE}
    policies = tuple(stage for name in settings.policies for stage in trained(name))
    for name, judge in wanted.items():
        if not reads_log(judge) and not isinstance(judge, MeanPlace):
            training = judge.training if isinstance(judge, AskedUsers) else ""
            is_done = all(own.has(_piece(name, policy)) for policy in settings.policies)
            if training in JUDGE_TRAININGS and not is_done:
                learn, piece = JUDGE_TRAININGS[training], judge_piece(training)
                do = partial(make_piece, piece, training, learn, settings, own)
                stages.append(Stage(f"learn {training}", do, own.has(piece)))
            do, needs = partial(_ask, name, settings, own), (*policies, f"learn {training}")
            stages.append(Stage(f"ask {name}", do, is_done, needs))
    if any(map(reads_log, wanted.values())):
        is_done = all(own.has(_read_piece(settings, policy)) for policy in settings.policies)
        do = partial(_read_log, settings, own)
        stages.append(Stage("read the log", do, is_done, (COLLECT, *policies)))
    return list({stage.name: stage for stage in stages}.values())


def trained(name: str) -> tuple[str, ...]:
    """The stage that trains a policy, where one does."""
    training = MEMBERS[name].training
    return (f"train {training}",) if training else ()


def judged(
    settings: PolicyRankingSettings, own: RunFolder, names: Sequence[str]
) -> dict[str, PolicyScores]:
    """What judges said of the policies, in the order of ``settings.policies``."""
    found: dict[str, PolicyScores] = {}
    for name in needed(tuple(names)):
        judge = JUDGES[name]
        if isinstance(judge, MeanPlace):
            found[name] = PolicyScores.mean_place([found[part] for part in judge.of])
        elif reads_log(judge):
            assert isinstance(judge, OfLog)
            found[name] = logged.scores_by_log(
                CollectedLog.load(own.path / log_piece(settings)),
                own.path / _read_folder(settings),
                settings.policies,
                judge.reads == "doubly-robust",
                settings.seed,
            )
        else:
            found[name] = PolicyScores.of_returns(
                [_worth(name, policy, own) for policy in settings.policies]
            )
    return found


def _worth(name: str, policy: str, own: RunFolder) -> list[float]:
    """What a policy is worth to each user of a judge."""
    if name == LE:
        told: list[float] = own.read(returns_piece(policy))["worlds"]["LE"]["returns"]
        return told
    worth: list[float] = own.read(_piece(name, policy))
    return worth


def _ask(name: str, settings: PolicyRankingSettings, own: RunFolder) -> None:
    """Ask a judge about every policy about which it was not asked before."""
    panel, judge = opened_panel(settings, own.path), JUDGES[name]
    episodes = at_most(settings.episodes, panel.people)
    asked = None
    if isinstance(judge, AskedUsers):
        asked = judge.make(panel, own.path / judge_piece(judge.training or name))
    for policy_name in settings.policies:
        if own.has(_piece(name, policy_name)):
            continue
        policy = made_policy(policy_name, panel, own.path)
        if asked is None:
            worth = later_takes(policy, panel.simulator, episodes, settings.seed)
        else:
            assert isinstance(judge, AskedUsers)
            users, seed = panel.seen_by_policies(asked), settings.seed + judge.luck
            worth = evaluate_policy(
                policy, users, episodes=episodes, seed=seed, **judge.settings
            ).returns
        own.write(_piece(name, policy_name), np.asarray(worth).tolist())


def _read_log(settings: PolicyRankingSettings, own: RunFolder) -> None:
    panel = opened_panel(settings, own.path)
    missing = [name for name in settings.policies if not own.has(_read_piece(settings, name))]
    logged.read_log(
        CollectedLog.load(own.path / log_piece(settings)),
        panel.simulator,
        {name: made_policy(name, panel, own.path) for name in missing},
        own.path / _read_folder(settings),
        settings.seed,
    )


def _piece(judge: str, policy: str) -> str:
    return f"judged/{judge}/{policy}.json"


def _read_folder(settings: PolicyRankingSettings) -> str:
    return f"logged/{settings.log_size}"


def _read_piece(settings: PolicyRankingSettings, policy: str) -> str:
    return f"{_read_folder(settings)}/{policy}.npz"
