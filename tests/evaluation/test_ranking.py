"""Next-item ranking against a loop that anyone can read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.ranking import (
    ItemKNN,
    Popularity,
    SimulatorRanker,
    evaluate_ranking,
    step_ranks,
)
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

N_ITEMS = 6


def make_log(sequences: list[list[int]], n_items: int = N_ITEMS) -> InteractionLog:
    rows = [(f"u{u}", f"i{i}") for u, items in enumerate(sequences) for i in items]
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    catalogue = Catalogue(pl.DataFrame({"item_id": [f"i{i}" for i in range(n_items)]}))
    return InteractionLog.from_table(catalogue, table)


class LastItemTable:
    """Scores depend on the last item alone: row ``i`` of a table follows item ``i``."""

    def __init__(self, table: FloatArray) -> None:
        self.table = table

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        return self.table[np.concatenate([sequence[:-1] for sequence in sequences])]


def naive_ranks(ranker: LastItemTable, log: InteractionLog, mask_seen: bool) -> list[float]:
    ranks = []
    for user in range(log.n_users):
        sequence = log.sequence(user).tolist()
        for t in range(max(1, int(log.first_target[user])), len(sequence)):
            scores = ranker.table[sequence[t - 1]].tolist()
            if mask_seen:
                scores = [-math.inf if i in sequence[:t] else s for i, s in enumerate(scores)]
            own = scores[sequence[t]]
            higher = sum(s > own for s in scores)
            ties = sum(s == own for s in scores) - 1
            ranks.append(higher + ties / 2)
    return ranks


items = st.integers(0, N_ITEMS - 1)
users = st.lists(st.lists(items, min_size=1, max_size=7), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(users, st.integers(0, 99), st.integers(0, 3), st.booleans(), st.integers(1, 4))
def test_ranks_equal_those_of_a_naive_loop(
    sequences: list[list[int]], seed: int, first: int, mask_seen: bool, batch_users: int
) -> None:
    log = make_log(sequences)
    log = log.with_first_target(np.full(log.n_users, first))
    table = np.random.default_rng(seed).integers(0, 4, (N_ITEMS, N_ITEMS)).astype(np.float32)
    ranker = LastItemTable(table)
    expected = naive_ranks(ranker, log, mask_seen)
    if not expected:
        with pytest.raises(DataError, match="nothing to rank"):
            step_ranks(ranker, log)
        return
    assert step_ranks(ranker, log, mask_seen, batch_users).tolist() == expected
    metrics = evaluate_ranking(ranker, log, ks=(1, 3), mask_seen=mask_seen)
    assert metrics["steps"] == len(expected)
    assert metrics["mask_seen"] == mask_seen
    gains = [1 / math.log2(rank + 2) if rank < 3 else 0.0 for rank in expected]
    assert metrics["HR@3"] == pytest.approx(np.mean([rank < 3 for rank in expected]))
    assert metrics["NDCG@3"] == pytest.approx(np.mean(gains))
    assert metrics["HR@1"] == pytest.approx(metrics["NDCG@1"], abs=0.4)


def test_a_ranker_that_scores_all_alike_gains_nothing() -> None:
    log = make_log([[0, 1, 2, 3, 4, 5]])
    metrics = evaluate_ranking(LastItemTable(np.zeros((6, 6), dtype=np.float32)), log, ks=(1, 2))
    assert metrics["HR@1"] == metrics["HR@2"] == 0.0


def test_a_perfect_ranker_hits_every_time() -> None:
    table = np.roll(np.eye(N_ITEMS, dtype=np.float32), 1, axis=1)
    metrics = evaluate_ranking(LastItemTable(table), make_log([[0, 1, 2], [4, 5, 0]]), ks=(1, 5))
    assert metrics == {
        **{"HR@1": 1.0, "NDCG@1": 1.0, "HR@5": 1.0, "NDCG@5": 1.0},
        **{"steps": 4, "mask_seen": False},
    }


def test_refuses_scores_that_order_nothing() -> None:
    log = make_log([[0, 1, 2]])
    table = np.zeros((6, 6), dtype=np.float32)
    table[1, 4] = np.nan
    with pytest.raises(DataError, match="NaN"):
        evaluate_ranking(LastItemTable(table), log)
    with pytest.raises(DataError, match="steps by items"):
        evaluate_ranking(LastItemTable(np.zeros((6, 5), dtype=np.float32)), log)


def test_popularity_ranks_by_training_counts_and_may_be_masked() -> None:
    train = make_log([[0, 1], [0, 1], [0, 2]])
    held_out = make_log([[0, 1, 2]])
    ranker = Popularity(train)
    assert step_ranks(ranker, held_out).tolist() == [1.0, 2.0]
    assert step_ranks(ranker, held_out, mask_seen=True).tolist() == [0.0, 0.0]
    assert step_ranks(ranker, held_out).tolist() == [1.0, 2.0]  # masking left no trace


def test_item_knn_ranks_by_what_is_taken_together() -> None:
    train = make_log([[0, 1], [0, 1], [2, 3], [2, 3], [4, 5, 4]])
    cosine = {"span": 10, "decay": 0.0, "backward": 1.0, "popularity": 0.5}
    scores = ItemKNN(train, **cosine).score_steps([np.array([0, 2, 5])])
    assert scores[0].argmax() == 1
    assert scores[0, 1] == pytest.approx(1.0)  # always together
    assert scores[1].argmax() == 3  # the newest item counts most
    assert scores[1, 1] == pytest.approx(0.5)
    assert scores[1, 2] == 0.0  # no item is its own neighbour


def test_item_knn_counts_far_and_backward_pairs_and_popular_neighbours_as_it_is_told() -> None:
    train = make_log([[0, 1, 2], [0, 1, 2], [3, 2]])  # item 2 three times, items 0 and 1 twice
    history = [np.array([0, 9])], [np.array([1, 9])]

    def score(item: int, after: int, **settings: float) -> float:
        usual = {"span": 10, "decay": 1.0, "backward": 0.25, "popularity": 0.0}
        scores = ItemKNN(train, **{**usual, **settings}).score_steps(history[after])
        return float(scores[0, item]) * 2**0.5  # without the count of the item it stands beside

    assert score(1, after=0) == pytest.approx(2.0)
    assert score(2, after=0) == pytest.approx(2.0 / 2)  # two places on
    assert score(2, after=0, decay=0.0) == pytest.approx(2.0)
    assert score(2, after=0, span=1) == 0.0
    assert score(0, after=1) == pytest.approx(2.0 * 0.25)
    assert score(0, after=1, backward=1.0) == pytest.approx(2.0)
    assert score(2, after=1, popularity=1.0) == pytest.approx(2.0 / 3)


def test_item_knn_reads_no_further_back_than_its_reach() -> None:
    train = make_log([[0, 1], [2, 3], [4, 5]])
    scores = ItemKNN(train, reach=2).score_steps([np.array([0, 2, 4, 1])])
    assert scores[1, 1] > 0
    assert scores[2, 1] == 0.0


def test_the_true_user_ranks_better_than_popularity() -> None:
    world = generate_world(seed=0, n_items=60, n_users=60)
    held_out = world.log.select_users(range(40, 60))
    truth = evaluate_ranking(SimulatorRanker(TrueTasteUser(world)), held_out, mask_seen=True)
    popular = Popularity(world.log.select_users(range(40)))
    assert truth["NDCG@10"] > evaluate_ranking(popular, held_out, mask_seen=True)["NDCG@10"]
