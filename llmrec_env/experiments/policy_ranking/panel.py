"""``Panel``: what the members of a panel learn from, and ``Member``, how one of them is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import Split
from llmrec_env.evaluation.policies import Policy
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.states_from import StatesFrom

Kind = Literal["simple", "learned from the log", "made by the LE", "learned in the LE", "adversary"]


@dataclass(frozen=True, eq=False)
class Panel:
    """What policies are made of.

    Attributes:
        split: the log, of whose training users policies learn; nobody learns from its test users.
        simulator: the LE, as the users who judge.
        simulator_folder: where it was saved.
        seed: of whatever learns or draws.
        epochs: passes over the log of a recommender, at most.
        ppo_steps: environment steps of PPO.
        ppo_envs: users that PPO asks at once.
        d3rlpy_steps: gradient steps of a d3rlpy algorithm.
        budget: by which the lengths of judges' trainings are multiplied.
        judging: the users from whom judges learn: the training users too, or the half of them from
            whom no policy learned.
        truth: the users who judge as they truly are, seen through the LE's states; None where
            nobody knows.
    """

    split: Split
    simulator: LanguageUser
    simulator_folder: Path
    seed: int
    epochs: int
    ppo_steps: int
    ppo_envs: int
    d3rlpy_steps: int
    budget: float
    judging: InteractionLog
    truth: UserSimulator | None

    @property
    def people(self) -> InteractionLog:
        """The users who judge, with what they took."""
        return self.simulator.users

    def seen_by_policies(self, users: UserSimulator) -> UserSimulator:
        """Users through the states of the LE, which is what the policies learned to read."""
        if users is self.simulator or isinstance(users, StatesFrom):
            return users
        return StatesFrom(users, observer=self.simulator)


Train = Callable[[Panel, Path, Path], None]
"""Trains, and fills a folder that does not exist yet; a second one is for checkpoints, from which a
training that was killed goes on if it can."""


@dataclass(frozen=True)
class Member:
    """A policy of a panel.

    Attributes:
        label: how tables call it.
        kind: what it knows of log and simulator, which decides whom the simulator may flatter.
        make: the policy, from the panel and the folder that its training filled (or any path where
            it needs none).
        training: the name of its training in ``TRAININGS``; several members may share one.
    """

    label: str
    kind: Kind
    make: Callable[[Panel, Path], Policy]
    training: str = ""
