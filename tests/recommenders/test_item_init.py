"""Item embeddings that begin with what is known of the items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import Recommender, RecommenderConfig
from agents.data import TrainingData
from agents.item_init import principal_table
from agents.training import Copies
from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data.log import InteractionLog

pytestmark = pytest.mark.core
MakeConfig = Callable[..., RecommenderConfig]
N_ITEMS = 12


def some_vectors(d: int, n_items: int = N_ITEMS) -> Float64Array:
    """Vectors that differ most along the first axes, far from the origin."""
    rng = np.random.default_rng(d)
    return 5.0 + rng.normal(size=(n_items, d)) / np.arange(1, d + 1)


def table_of(recommender: Recommender) -> Float64Array:
    return recommender.network.encoder.item_embedding.weight.detach().numpy()


@settings(max_examples=40, deadline=None)
@given(d=st.integers(1, 20), dim=st.integers(1, 24))
def test_the_table_keeps_as_much_of_the_differences_as_its_width_can(d: int, dim: int) -> None:
    vectors = some_vectors(d)
    table = principal_table(vectors, dim)
    assert table.shape == (N_ITEMS, dim)
    assert table.dtype == np.float32
    assert np.sqrt(np.mean(table**2)) == pytest.approx(0.02, rel=1e-4)
    assert not table[:, d:].any()
    left, lengths, right = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    best = (left[:, :dim] * lengths[:dim]) @ right[:dim]  # the nearest of this rank
    gram, wanted = table.astype(np.float64) @ table.T, best @ best.T
    np.testing.assert_allclose(gram / np.trace(gram), wanted / np.trace(wanted), atol=1e-5)


@pytest.mark.parametrize(("d", "tied"), [(5, False), (40, True)], ids=["narrow", "wide, tied"])
def test_embeddings_begin_with_the_vectors_and_then_learn(
    d: int, tied: bool, cycle_log: InteractionLog, tiny: MakeConfig
) -> None:
    vectors = some_vectors(d)
    begun = Recommender(tiny(item_init="text", tied=tied, learning_rate=1e-9, epochs=1))
    begun.fit(cycle_log, item_vectors=vectors)
    np.testing.assert_allclose(table_of(begun)[:-1], principal_table(vectors, 16), atol=1e-6)
    assert not table_of(begun)[-1].any()  # the padding
    learned = Recommender(tiny(item_init="text", tied=tied, epochs=30, learning_rate=0.03))
    learned.fit(cycle_log, item_vectors=vectors.tolist())
    assert np.abs(table_of(learned) - table_of(begun))[:-1].max() > 0.01
    assert learned.recommend([[4, 5]], k=1).tolist() == [[6]]


def test_both_copies_of_snqn_begin_with_them(tiny: MakeConfig) -> None:
    config = tiny(objective="snqn", item_init="text")
    network = config.create(N_ITEMS)
    table = torch.from_numpy(principal_table(some_vectors(5), 16))
    network.encoder.begin_with(table)
    first, second = Copies(network, config).networks
    for copy in (first, second):
        assert torch.equal(copy.encoder.item_embedding.weight[:-1], table)
    assert not torch.equal(first.q_head.weight, second.q_head.weight)


def test_items_of_like_vectors_share_what_was_learned(
    make_log: Callable[..., InteractionLog], tiny: MakeConfig
) -> None:
    """Item 3 is never saw; its vector is item 0's, after which item 1 comes."""
    log = make_log([[0, 1, 0, 1, 0], [2, 4, 2, 4, 2]] * 10, n_items=5)
    vectors = np.eye(5)
    vectors[3] = vectors[0]
    config = tiny(item_init="text", epochs=10, learning_rate=0.003)
    recommender = Recommender(config).fit(log, item_vectors=vectors)
    after = recommender.score([[3], [0], [2]])
    assert after[0].argmax() == after[1].argmax() == 1
    assert after[2].argmax() == 4


def test_a_saved_recommender_needs_the_vectors_no_more(
    cycle_log: InteractionLog, tiny: MakeConfig, tmp_path: Path
) -> None:
    recommender = Recommender(tiny(item_init="text"))
    recommender.fit(cycle_log, item_vectors=some_vectors(5))
    recommender.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    assert loaded.config == recommender.config
    assert np.array_equal(loaded.score([[1, 2]]), recommender.score([[1, 2]]))


def bad(row: int, value: float) -> Float64Array:
    vectors = some_vectors(3)
    vectors[row, 1] = value
    return vectors


@pytest.mark.parametrize(
    ("vectors", "error", "message"),
    [
        (None, SettingError, "call fit"),
        (some_vectors(3, n_items=11), DataError, r"shape \(12, d\).*got \(11, 3\)"),
        (np.ones(12), DataError, r"got \(12,\)"),
        (np.ones((12, 0)), DataError, r"got \(12, 0\)"),
        (bad(7, np.nan), DataError, "finite; row 7 is not"),
        (bad(2, np.inf), DataError, "finite; row 2 is not"),
        (np.ones((12, 3)), DataError, "all the same"),
    ],
    ids=["missing", "too few", "one dimension", "no width", "nan", "infinite", "the same"],
)
def test_vectors_that_tell_nothing_are_refused_before_anything_is_learned(
    vectors: Any,
    error: type[Exception],
    message: str,
    cycle_log: InteractionLog,
    tiny: MakeConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(TrainingData, "prepare", lambda *_: pytest.fail("labelled a log"))
    with pytest.raises(error, match=message):
        Recommender(tiny(item_init="text")).fit(cycle_log, item_vectors=vectors)


def test_vectors_without_use_are_refused(cycle_log: InteractionLog, tiny: MakeConfig) -> None:
    with pytest.raises(SettingError, match='set item_init="text"'):
        Recommender(tiny()).fit(cycle_log, item_vectors=some_vectors(3))


def test_given_vectors_may_serve_diversity_alone(
    cycle_log: InteractionLog, tiny: MakeConfig
) -> None:
    smorl = {"objective": "smorl", "epochs": 1}
    own = Recommender(tiny(**smorl)).fit(cycle_log)
    told = Recommender(tiny(**smorl, diversity_vectors="given"))
    told.fit(cycle_log, item_vectors=some_vectors(3))
    sequences = [cycle_log.sequence(0)]
    assert not np.array_equal(told.score_steps(sequences), own.score_steps(sequences))
