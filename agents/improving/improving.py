"""``improve``: steps of policy iteration that begin at a fitted recommender."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from agents.improving.asking import ask
from agents.improving.config import ImproveConfig
from agents.improving.fitting import fit
from agents.improving.policy import ImprovedRecommender
from agents.recommender import Recommender
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.base import UserSimulator


def improve(
    recommender: Recommender,
    simulator: UserSimulator,
    users: InteractionLog | None = None,
    config: ImproveConfig | None = None,
    keep: Callable[[ImprovedRecommender, int], None] | None = None,
    **settings: Any,
) -> ImprovedRecommender:
    """Improve a fitted recommender among simulated users.

    Args:
        recommender: fitted on the simulator's catalogue; it does not change.
        simulator: who answers, such as the users of an LE with members, or any other simulator.
        users: whose initial histories start the episodes; the simulator's own where None. Let it
            learn among the users that the simulator learned from, and judge it among others.
        config: how; the defaults where None.
        keep: is given the policy after each step, and the number of the step, from 1.
        settings: further keywords of the environment, such as ``patience``.

    Returns:
        A policy for :func:`llmrec_env.evaluate_policy`.

    Raises:
        SettingError: the recommender is none.
        DataError: it was fitted on another catalogue.
    """
    config = config or ImproveConfig()
    policy = ImprovedRecommender(recommender, simulator, config.weight)
    known = simulator if users is None else simulator.with_users(users)
    for number in range(config.steps):
        seed = int(np.random.default_rng([config.seed, number]).integers(2**31))
        fit(policy, ask(policy, known, config, seed, **settings), config, seed)
        if keep is not None:
            keep(policy, number + 1)
    return policy
