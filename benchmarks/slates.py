"""What lists earn beside single items, by agents that learn nothing.

    python benchmarks/slates.py

Random items, the most popular unseen ones (counted among the training users) and those that the
user's own action model ranks highest are shown in lists of 1, 5 and 10 to held-out users, the same
with the same luck for all. Prints a Markdown table of mean returns with their standard errors.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import llmrec_env
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import split_by_user
from llmrec_env.envs.next_item.simulators import resolve_simulator
from llmrec_env.evaluation.agents import evaluate_agent, random_agent
from llmrec_env.evaluation.episodes import Agent, Turn

USERS = {"LE users": "embedded", "TRUE users": "true-taste"}
Scores = Callable[[Turn], NDArray[Any]]


def highest(scores: Scores, size: int) -> Agent:
    """The unseen items of the highest scores, the best uppermost."""

    def agent(turn: Turn) -> NDArray[Any]:
        given = scores(turn)
        unseen = turn.masks()[:, : given.shape[-1]]
        return np.argsort(np.where(unseen, -given, np.inf), axis=1, kind="stable")[:, :size]

    return agent


def agents(simulator: str, size: int, training: InteractionLog) -> dict[str, Agent]:
    """Those that the table compares, for lists of one size."""
    user, counts = resolve_simulator(simulator), training.item_counts()
    return {
        "random": random_agent,
        "popular": highest(lambda turn: counts, size),
        "by the user's action model": highest(
            lambda turn: user.preferences(turn.observations[:, : user.state_size]), size
        ),
    }


def main(sizes: list[int], episodes: int, position_bias: float) -> None:
    """Print the table."""
    users = split_by_user(llmrec_env.generate_world().log)
    names = list(agents("true-taste", 1, users.train))
    print("| users | items in a list | " + " | ".join(names) + " |")
    print("|---" * (2 + len(names)) + "|")
    for title, simulator in USERS.items():
        for size in sizes:
            settings = {"simulator": simulator, "slate_size": size, "users": users.test}
            settings["position_bias"] = position_bias
            cells = []
            for agent in agents(simulator, size, users.train).values():
                earned = evaluate_agent(agent, "LLMRec/Slate-v0", episodes, **settings)
                cells.append(f"{earned.mean:.2f} ± {earned.standard_error:.2f}")
            print(f"| {title} | {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 5, 10], help="items in a slate")
    parser.add_argument("--episodes", type=int, default=100, help="held-out users")
    parser.add_argument(
        "--position-bias",
        type=float,
        default=1.0,
        help="how much less places further down are looked at",
    )
    main(**vars(parser.parse_args()))
