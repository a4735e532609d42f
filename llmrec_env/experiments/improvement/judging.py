"""Judges a policy among simulated and true users, and mixes a recommender with the LE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.fusion import log_softmax
from agents.recommender import Recommender
from llmrec_env.common.arrays import FloatArray
from llmrec_env.data.source import Source
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.episodes import choose_users
from llmrec_env.evaluation.policies import Policy
from llmrec_env.evaluation.returns import at_most, evaluate_policy
from llmrec_env.experiments.policy_ranking.worlds import has_truth, known_users, true_users
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser

Earned = dict[str, list[float]]
"""What each user paid in the mean over lucks, in the order of their ids, by who judged: "LE",
and "truth" where it is known."""


class Mixture:
    """Shows the best item by the sum of a recommender's and the LE's log-probabilities."""

    observation = "both"

    def __init__(self, recommender: Recommender, simulator: LanguageUser) -> None:
        self._recommender = recommender
        self._simulator = simulator

    def action_scores(self, observation: Any) -> FloatArray:
        """Scores float32 (N, n_items)."""
        states = observation["state"][:, : self._simulator.state_size]
        own = log_softmax(self._recommender.action_scores(observation))
        return own + log_softmax(self._simulator.preferences(states))


def judge(policy: Policy, worlds: Mapping[str, UserSimulator], lucks: int, seed: int) -> Earned:
    """What a policy earns from all users of each world (:func:`judges`), who live ``lucks``
    episodes each."""
    earned: Earned = {}
    for world, users in worlds.items():
        returns = []
        for luck in range(lucks):
            found = evaluate_policy(policy, users, seed=seed + luck)
            returns.append(found.returns[np.argsort(found.user_ids)])
        earned[world] = np.mean(returns, axis=0).tolist()
    return earned


def judges(
    source: Source, simulator: UserSimulator, episodes: int, seed: int
) -> dict[str, UserSimulator]:
    """So many test users at most, simulated ("LE"), and true ("truth") where those are known; whom
    they are the seed decides."""
    test = source.split.test
    is_known = has_truth(source)
    test = known_users(source, test) if is_known else test
    chosen = choose_users(InitialHistories(test), at_most(episodes, test), seed)
    some = test.select_users(np.sort(chosen))
    users: dict[str, UserSimulator] = {"LE": simulator.with_users(some)}
    return users | ({"truth": true_users(source, simulator, some)} if is_known else {})
