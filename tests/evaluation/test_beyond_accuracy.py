"""What lists of recommendations are like: values worked out by hand, and what must hold of any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation import ranking
from llmrec_env.evaluation.beyond_accuracy import beyond_accuracy, category_vectors, gini
from llmrec_env.evaluation.ranking import ItemKNN, Popularity, SimulatorRanker
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

GENRES = ["A", "A", "A, B", "B", "", "C"]
CATALOG = Catalogue(pl.DataFrame({"item_id": [f"i{i}" for i in range(6)], "genres": GENRES}))


def make_log(sequences: list[list[int]]) -> InteractionLog:
    rows = [(f"u{u}", f"i{i}") for u, items in enumerate(sequences) for i in items]
    return InteractionLog.from_table(
        CATALOG, pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    )


class LastItemTable:
    """Scores depend on the last item alone: row ``i`` of a table follows item ``i``."""

    def __init__(self, table: FloatArray) -> None:
        self.table = table

    def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
        return self.table[np.concatenate([sequence[:-1] for sequence in sequences])]


def showing(*lists: list[int]) -> LastItemTable:
    """After item ``i``, show the items of list ``i``."""
    table = np.zeros((len(lists), 6), dtype=np.float32)
    for row, items in enumerate(lists):
        table[row, items] = [9, 8, 7][: len(items)]
    return LastItemTable(table)


def test_values_worked_out_by_hand() -> None:
    train = make_log([[0, 0, 0], [0, 1, 1], [2]])  # counts 4, 2, 1, 0, 0, 0
    ranker = showing([0, 2], [0, 3], [2, 4])
    log = make_log([[0, 1, 2, 5], [1, 0]])  # prefixes end in 0, 1, 2 and in 1
    found = beyond_accuracy(ranker, log, train, k=2, vectors=category_vectors(CATALOG, "genres"))
    # shown: (0, 2), (0, 3), (2, 4), (0, 3); item 0 three times, 2 and 3 twice, 4 once
    assert found["coverage@2"] == pytest.approx(4 / 6)
    bits = {item: math.log2(13 / (count + 1)) for item, count in {0: 4, 2: 1, 3: 0, 4: 0}.items()}
    assert found["novelty@2"] == pytest.approx(
        (3 * bits[0] + 2 * bits[2] + 2 * bits[3] + bits[4]) / 8
    )
    # A with A and B: 1 - 1 / sqrt(2); A with B: 1; what has no genre is like nothing: 1
    assert found["diversity@2"] == pytest.approx(((1 - 0.5**0.5) + 1 + 1 + 1) / 4)
    # 0, 0, 1, 2, 2, 3 with weights -5, -3, -1, 1, 3, 5 over 6 * 8
    assert found["gini@2"] == pytest.approx((-1 + 2 + 6 + 15) / 48)
    assert found["steps"] == 4
    assert found["mask_seen"] is False


counts = st.lists(st.integers(0, 20), min_size=1, max_size=12).filter(any)


@given(counts)
def test_gini_is_half_the_mean_difference_over_the_mean(values: list[int]) -> None:
    apart = sum(abs(a - b) for a in values for b in values) / len(values) ** 2
    expected = apart / (2 * sum(values) / len(values))
    assert gini(np.array(values)) == pytest.approx(expected, abs=1e-12)


def test_gini_of_even_and_of_narrow_exposure() -> None:
    assert gini(np.full(7, 3)) == 0.0
    assert gini(np.array([0, 0, 0, 5])) == pytest.approx(3 / 4)
    with pytest.raises(DataError, match="no item was shown"):
        gini(np.zeros(3, dtype=np.int64))


items = st.integers(0, 5)
users = st.lists(st.lists(items, min_size=2, max_size=6), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(users, st.integers(0, 99), st.integers(2, 6), st.booleans())
def test_equals_a_loop_over_lists_whatever_the_batches(
    sequences: list[list[int]], seed: int, k: int, mask_seen: bool
) -> None:
    rng = np.random.default_rng(seed)
    table = np.stack([rng.permutation(6) for _ in range(6)]).astype(np.float32)
    vectors = rng.standard_normal((6, 3)).astype(np.float32)
    log = make_log(sequences)
    lists = []
    for sequence in sequences:
        for t in range(1, len(sequence)):
            order = np.argsort(-table[sequence[t - 1]]).tolist()
            lists.append([i for i in order if not (mask_seen and i in sequence[:t])][:k])
    shown = [i for items in lists for i in items]
    ranker = LastItemTable(table)
    found = [
        beyond_accuracy(ranker, log, log, k, vectors, mask_seen, batch_users=size)
        for size in (1, 64)
    ]
    assert found[0] == pytest.approx(found[1])
    assert found[0][f"coverage@{k}"] == pytest.approx(len(set(shown)) / 6)
    surprise = -np.log2((log.item_counts() + 1) / (len(log) + 6))
    assert found[0][f"novelty@{k}"] == pytest.approx(surprise[shown].mean())
    apart = [
        np.mean([1 - cosine(vectors[a], vectors[b]) for a, b in combinations(items, 2)])
        for items in lists
        if len(items) > 1
    ]
    if apart:
        assert found[0][f"diversity@{k}"] == pytest.approx(np.mean(apart), abs=1e-5)


def cosine(a: FloatArray, b: FloatArray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_popularity_covers_least_and_a_personal_ranker_is_newer_and_broader() -> None:
    world = generate_world(seed=0, n_items=80, n_users=100)
    split = split_by_user(world.log)
    train, test = split.train, split.test
    vectors = category_vectors(world.catalogue)
    rankers = {
        "popularity": Popularity(train),
        "item kNN": ItemKNN(train),
        "truth": SimulatorRanker(TrueTasteUser(world)),
    }
    found = {
        name: beyond_accuracy(ranker, test, train, vectors=vectors)
        for name, ranker in rankers.items()
    }
    popular = found.pop("popularity")
    assert popular["coverage@10"] == pytest.approx(10 / 80)
    assert popular["gini@10"] == pytest.approx(1 - 10 / 80)
    for other in found.values():
        assert other["coverage@10"] > popular["coverage@10"]
        assert other["novelty@10"] > popular["novelty@10"]
        assert other["gini@10"] < popular["gini@10"]
        assert 0 < other["diversity@10"] < 1


def test_showing_everything_equally_often_is_even_and_covers_all() -> None:
    ring = LastItemTable(np.roll(np.eye(6, dtype=np.float32), 1, axis=1))
    log = make_log([[0, 1, 2, 3, 4, 5, 0]])
    found = beyond_accuracy(ring, log, log, k=1)
    assert (found["coverage@1"], found["gini@1"]) == (1.0, 0.0)
    assert "diversity@1" not in found  # nothing was given to tell items apart


def test_alike_items_have_no_diversity_and_memory_holds_one_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranking, "CELLS", 6)
    seen = []

    class Watched(LastItemTable):
        def score_steps(self, sequences: Sequence[IntArray]) -> FloatArray:
            seen.append(len(sequences))
            return super().score_steps(sequences)

    same = np.ones((6, 2), dtype=np.float32)
    log = make_log([[0, 1], [2, 3], [4, 5]])
    found = beyond_accuracy(Watched(np.zeros((6, 6), dtype=np.float32)), log, log, 3, same)
    assert found["diversity@3"] == pytest.approx(0.0, abs=1e-7)
    assert seen == [1, 1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 7}, r"k must lie in \[1, 6\]"),
        ({"k": 1, "vectors": np.ones((6, 2))}, r"k must lie in \[2, 6\]"),
        ({"k": 2, "vectors": np.ones((5, 2))}, "one row for each of 6 items"),
    ],
)
def test_refuses_what_does_not_fit(options: dict[str, object], message: str) -> None:
    log = make_log([[0, 1]])
    with pytest.raises(DataError, match=message):
        beyond_accuracy(Popularity(log), log, log, **options)


def test_refuses_another_catalogue_and_unknown_columns() -> None:
    log = make_log([[0, 1]])
    with pytest.raises(DataError, match="share one catalogue"):
        beyond_accuracy(Popularity(log), log, generate_world(0, 30, 20).log)
    with pytest.raises(DataError, match="no column 'category'"):
        category_vectors(CATALOG)
    empty = Catalogue(pl.DataFrame({"item_id": ["a"], "genres": [""]}))
    with pytest.raises(DataError, match="empty for every item"):
        category_vectors(empty, "genres")
