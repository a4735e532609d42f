"""Evaluates one run of the offline benchmark: next-item ranking, and returns in episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.beyond_accuracy import beyond_accuracy
from llmrec_env.evaluation.ranking import evaluate_both
from llmrec_env.evaluation.returns import at_most, evaluate_policy
from llmrec_env.experiments.offline_benchmark.baselines import Agent
from llmrec_env.users.base import UserSimulator

Row = dict[str, Any]
"""What a run found, as its file holds it."""
RANKED = ("HR@10", "NDCG@10")
MASKED = tuple(f"{name}, masked" for name in RANKED)
SHOWN = ("coverage@10", "novelty@10", "gini@10")


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Evaluates who recommends with the test users of a benchmark.

    Attributes:
        train: whose counts make an item popular.
        test: whose next items are ranked.
        worlds: who answers in episodes, by name: "LE", and "truth" where it is known.
        episodes: users, one episode each, at most; the same, with the same luck, for every run.
        seed: chooses them and their luck.
    """

    train: InteractionLog
    test: InteractionLog
    worlds: dict[str, UserSimulator]
    episodes: int
    seed: int

    def evaluate(self, agent: Agent) -> Row:
        """The numbers of one run; under "returns" its masked returns, world by world and user
        by user."""
        ranked = evaluate_both(agent.ranker, self.test, ks=(10,))
        row: Row = {"steps": ranked[False]["steps"]}
        shown = beyond_accuracy(agent.ranker, self.test, self.train)
        row |= {name: ranked[False][name] for name in RANKED}
        row |= {f"{name}, masked": ranked[True][name] for name in RANKED}
        row |= {name: shown[name] for name in SHOWN}
        returns = {}
        for world, users in self.worlds.items():
            for masked in (True, False):
                result = evaluate_policy(
                    agent.policy,
                    users,
                    episodes=at_most(self.episodes, self.test),
                    seed=self.seed,
                    mask_seen=masked,
                )
                row[return_column(world, masked)] = result.mean
                if masked:
                    returns[world] = result.returns.tolist()
        return {**row, "returns": returns}


def return_column(world: str, masked: bool = True) -> str:
    """The column of a table of runs that holds mean returns."""
    return f"return_{world}" if masked else f"return_{world}_unmasked"
