"""Who judges a policy in a demo: the simulated test users, and the true ones where known."""

from __future__ import annotations

from llmrec_env.data.source import Source
from llmrec_env.evaluation.returns import Policy, PolicyReturns, at_most, evaluate_policy
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.states_from import StatesFrom
from llmrec_env.users.true_taste import TrueTasteUser


def evaluation_users(source: Source, simulator: UserSimulator) -> dict[str, UserSimulator]:
    """The users who judge, by name: "LE", and "truth" on the generated world.

    The true users are seen through the LE's states, on which the policies have learned.
    """
    users: dict[str, UserSimulator] = {"LE": simulator.with_users(source.split.test)}
    if source.world is not None:
        truth = TrueTasteUser(source.world, users=source.split.test)
        users["truth"] = StatesFrom(truth, observer=simulator)
    return users


def judge(
    policy: Policy, users: UserSimulator, settings: DemoSettings, masked: bool
) -> PolicyReturns:
    """One episode for each of the settings' number of users, the same for every policy."""
    assert users.users is not None
    wanted = min(settings.episodes, settings.steps(settings.episodes, least=4))
    return evaluate_policy(
        policy, users, episodes=at_most(wanted, users.users), seed=settings.seed, mask_seen=masked
    )
