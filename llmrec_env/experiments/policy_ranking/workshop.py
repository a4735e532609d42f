"""What the stages of a panel share: the opened panel, its policies, and where pieces lie."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from llmrec_env.common.run_folder import RunFolder
from llmrec_env.evaluation.policies import Policy
from llmrec_env.experiments.opened import opened_simulator
from llmrec_env.experiments.policy_ranking.judges import halves
from llmrec_env.experiments.policy_ranking.members import MEMBERS
from llmrec_env.experiments.policy_ranking.panel import Panel, Train
from llmrec_env.experiments.policy_ranking.settings import PolicyRankingSettings
from llmrec_env.experiments.policy_ranking.worlds import has_truth, judges
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser

OWN_LE = "le of the policies"
OTHER_LE = "le of the judge"
"""The LEs of a panel whose training users are halved."""


def training_piece(name: str) -> str:
    """Where a policy's training left what it made."""
    return f"policies/{name}"


def judge_piece(name: str) -> str:
    """Where a judge's training left what it made."""
    return f"judges/{name.replace(' ', '_')}"


def make_piece(
    piece: str, name: str, train: Train, settings: PolicyRankingSettings, own: RunFolder
) -> None:
    """Let a training make a piece of the run's folder, whole or not at all."""
    checkpoints = f"checkpoints/{name}"
    with own.making(piece) as folder:
        train(opened_panel(settings, own.path), folder, own.path / checkpoints)
    own.remove(checkpoints)


@lru_cache(maxsize=1)
def opened_panel(settings: PolicyRankingSettings, folder: Path) -> Panel:
    """The panel of some settings whose run lies in a folder; opened once a process."""
    source, judging = settings.source, settings.source.split.train
    split, place = source.split, settings.simulator_folder
    if settings.cross_fit:
        own, others = halves(judging.n_users, settings.seed)
        split = split._replace(train=judging.select_users(own))
        judging = judging.select_users(others)
        place = folder / judge_piece(OWN_LE)
    simulator: UserSimulator = opened_simulator(place, source)
    truth = None
    if has_truth(source):
        simulator, truth = judges(source, simulator).values()
    assert isinstance(simulator, LanguageUser)
    return Panel(
        split=split,
        simulator=simulator,
        simulator_folder=place,
        seed=settings.seed,
        epochs=settings.steps(settings.epochs),
        ppo_steps=settings.steps(settings.ppo_steps, least=settings.ppo_envs * 8),
        ppo_envs=settings.ppo_envs,
        d3rlpy_steps=settings.steps(settings.d3rlpy_steps, least=2),
        budget=settings.budget,
        judging=judging,
        truth=truth,
    )


def made_policy(name: str, panel: Panel, folder: Path) -> Policy:
    """A policy of the panel, from what its training left in the run's folder."""
    member = MEMBERS[name]
    return member.make(panel, folder / training_piece(member.training or name))
