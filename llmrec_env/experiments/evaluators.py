"""The simulated users on whom policies are evaluated: the LE's, and true ones where known."""

from __future__ import annotations

from llmrec_env.data.source import Source
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.states_from import StatesFrom
from llmrec_env.users.true_taste import TrueTasteUser


def evaluation_users(source: Source, simulator: UserSimulator) -> dict[str, UserSimulator]:
    """The users in whose episodes policies are evaluated: "LE", and "truth" where it is known.

    The true users are seen through the LE's states, on which the policies have learned.
    """
    users: dict[str, UserSimulator] = {"LE": simulator.with_users(source.split.test)}
    if source.world is not None:
        truth = TrueTasteUser(source.world, users=source.split.test)
        users["truth"] = StatesFrom(truth, observer=simulator)
    return users
