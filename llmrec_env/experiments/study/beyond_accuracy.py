"""A study's measures beyond accuracy: of recommended lists, and returns of simulated users."""

from __future__ import annotations

from agents.recommender import Recommender
from llmrec_env.common.arrays import FloatArray
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.evaluation.beyond_accuracy import beyond_accuracy, category_vectors
from llmrec_env.evaluation.policies import Policy, PopularPolicy
from llmrec_env.evaluation.ranking import Popularity, Ranker
from llmrec_env.evaluation.returns import at_most, evaluate_policy
from llmrec_env.experiments.study.simulators import open_simulator
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.true_taste import TrueTasteUser

K = 10
EPISODES = 100
"""Test users in whose episodes a recommender is evaluated, at most."""
CATEGORIES = ("category", "genres", "tags")
"""Columns that tell what an item is; the first that a catalogue has counts."""
LANGUAGE = "LE"
"""The simulator that answers in episodes."""


def lists(ranker: Ranker, context: SplitContext) -> dict[str, float]:
    """Coverage, novelty, Gini, and diversity where the catalogue has categories."""
    split = context.source.split
    vectors = item_categories(split.train.catalogue)
    k = min(K, split.train.n_items)
    return beyond_accuracy(ranker, split.test, split.train, k, vectors, context.mask_seen)


def item_categories(catalogue: Catalogue) -> FloatArray | None:
    """Which categories the items are of, where there is a column that tells."""
    for name in CATEGORIES:
        if name in catalogue.table.columns and any(catalogue.table[name]):
            return category_vectors(catalogue, name)
    return None


def returns(ranker: Ranker, context: SplitContext) -> dict[str, float]:
    """What a recommender earns in an episode, seen items masked, by who answers.

    "LE" where the study has one, and "true" on a generated world. Empty for what only ranks.
    """
    policy: Policy
    if isinstance(ranker, Popularity):
        policy = PopularPolicy(context.train)
    elif isinstance(ranker, Recommender):
        policy = ranker
    else:
        return {}
    test, found = context.test, {}
    for name, simulator in _answering(context).items():
        episodes = at_most(EPISODES, test)
        earned = evaluate_policy(policy, simulator, test, episodes, context.split)
        found[name] = earned.mean
    return found


def _answering(context: SplitContext) -> dict[str, UserSimulator]:
    users: dict[str, UserSimulator] = {}
    if LANGUAGE in context.settings.simulators:
        users[LANGUAGE] = open_simulator(LANGUAGE, context)
    if context.source.world is not None:
        users["true"] = TrueTasteUser(context.source.world, context.test)
    return users
