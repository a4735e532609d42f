"""``MEMBERS``: the policies of a panel by name, and the trainings that they need."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from llmrec_env.common.arrays import FloatArray
from llmrec_env.data.neighbours import ItemNeighbours
from llmrec_env.evaluation.policies import Policy, PopularPolicy, PreferencePolicy, RandomPolicy
from llmrec_env.experiments.fidelity.lesson import Lesson, LikedRule
from llmrec_env.experiments.fidelity.rows.ease import Ease
from llmrec_env.experiments.policy_ranking import trainings
from llmrec_env.experiments.policy_ranking.panel import Kind, Member, Panel, Train
from llmrec_env.experiments.policy_ranking.policies import FixedOrder, GreedyReward, OfHistories
from llmrec_env.users.base import Histories


def _popular(panel: Panel, folder: Path) -> Policy:
    return PopularPolicy(panel.split.train)


def _least_popular(panel: Panel, folder: Path) -> Policy:
    return FixedOrder(-panel.split.train.item_counts().astype(np.float32))


def _neighbours(panel: Panel, folder: Path) -> Policy:
    known = ItemNeighbours.of(panel.split.train)

    def scores(histories: Histories) -> FloatArray:
        ends = np.cumsum([len(history) for history in histories])
        first = ends - [len(history) for history in histories]
        return known.scores(np.concatenate(histories), first, ends - 1)

    return OfHistories(scores, panel.simulator.n_items)


def _ease(panel: Panel, folder: Path) -> Policy:
    split, ease = panel.split, Ease()
    ease.fit(Lesson(split.train, split.validation, LikedRule(), True, panel.seed), folder)

    def scores(histories: Histories) -> FloatArray:
        unknown = [np.full(len(history), np.nan, dtype=np.float32) for history in histories]
        return ease.scores(histories, unknown)

    return OfHistories(scores, panel.simulator.n_items)


class _Least:
    """Shows what another policy ranks lowest."""

    def __init__(self, policy: PreferencePolicy) -> None:
        self._policy = policy
        self.observation = policy.observation

    def action_scores(self, observation: FloatArray) -> FloatArray:
        """The other's scores with the opposite sign, float32 (N, n_items)."""
        return -self._policy.action_scores(observation)


TRAININGS: dict[str, Train] = {
    "sasrec": trainings.recommender("plain", "sasrec"),
    "gru4rec": trainings.recommender("plain", "gru4rec"),
    "snqn": trainings.recommender("SNQN", "sasrec"),
    "leasr": trainings.recommender("LEASR", "sasrec"),
    "bc": trainings.offline("bc", "logged"),
    "cql": trainings.offline("cql", "state"),
    "ppo": trainings.ppo,
    "overrated": trainings.overrated,
}
_LOG: Kind = "learned from the log"
_BY: Kind = "made by the LE"
_IN: Kind = "learned in the LE"

MEMBERS: dict[str, Member] = {
    "random": Member("random", "simple", lambda panel, folder: RandomPolicy(panel.seed)),
    "popular": Member("popular", "simple", _popular),
    "least-popular": Member("least popular", "simple", _least_popular),
    "knn": Member("item-kNN", _LOG, _neighbours),
    "ease": Member("EASE", _LOG, _ease),
    "le": Member("LE's own choice", _BY, lambda panel, folder: PreferencePolicy(panel.simulator)),
    "le-last": Member(
        "LE's last choice",
        "adversary",
        lambda panel, folder: _Least(PreferencePolicy(panel.simulator)),
    ),
    "overrated": Member(
        "most overrated first",
        "adversary",
        lambda panel, folder: FixedOrder(trainings.load_overrated(folder)),
        "overrated",
    ),
    "sasrec": Member("SASRec", _LOG, trainings.load_recommender, "sasrec"),
    "gru4rec": Member("GRU4Rec", _LOG, trainings.load_recommender, "gru4rec"),
    "bc": Member("BC", _LOG, trainings.load_offline, "bc"),
    "cql": Member("CQL on the LE's labels", _BY, trainings.load_offline, "cql"),
    "snqn": Member("SASRec SNQN", _LOG, trainings.load_recommender, "snqn"),
    "leasr": Member("SASRec LEASR", _BY, trainings.load_recommender, "leasr"),
    "le-reward": Member(
        "LE's best reward", _BY, lambda panel, folder: GreedyReward(panel.simulator)
    ),
    **{
        f"ppo-{stage + 1}": Member(
            f"PPO, {share:.0%} of steps", _IN, partial(trainings.load_ppo, stage), "ppo"
        )
        for stage, share in enumerate(trainings.PPO_STAGES)
    },
}
"""The panel, the cheap ones first."""
