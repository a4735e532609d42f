"""How long it takes to rank 10,000 held-out steps among 20,000 items.

    python benchmarks/ranking.py

CPU seconds of one thread, the best of several rounds: the recommender's own scores, and what the
protocol adds to them (ranks, ties and metrics). The weights are random: they change no time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import polars as pl
import torch

from agents import Recommender, RecommenderConfig
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.ranking import evaluate_ranking


def seconds(call: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the fastest of several calls."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--items", type=int, default=20_000, help="items of the catalogue")
    parser.add_argument("--steps", type=int, default=10_000, help="steps to rank")
    parser.add_argument("--dim", type=int, default=64, help="length of a vector")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    catalogue = Catalogue(pl.DataFrame({"item_id": [f"i{i}" for i in range(arguments.items)]}))
    users = arguments.steps // 10
    sequences = [rng.integers(arguments.items, size=11) for _ in range(users)]
    log = InteractionLog.of_strangers(catalogue, sequences)
    one = log.select_users(np.arange(1))
    config = RecommenderConfig.of(dim=arguments.dim, epochs=1)
    recommender = Recommender(config).fit(one)

    def score() -> None:
        for start in range(0, users, 64):
            recommender.score_steps(sequences[start : start + 64])

    scores = seconds(score, arguments.rounds)
    whole = seconds(lambda: evaluate_ranking(recommender, log), arguments.rounds)
    print(f"{users * 10:,} steps over {arguments.items:,} items, dim {arguments.dim}")
    print(f"scores {scores:.2f} s, whole evaluation {whole:.2f} s")


if __name__ == "__main__":
    main()
