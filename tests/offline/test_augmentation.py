"""Proposed actions: whose they are, in what order, and what they may never be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offline_users import Fan, Silent, make_log

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.data import InteractionLog
from llmrec_env.offline import augmentation
from llmrec_env.offline.augmentation import METHODS, Proposals, propose, soft_targets

pytestmark = pytest.mark.core

sequences = st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=8), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(sequences, st.sampled_from(METHODS), st.integers(1, 14), st.integers(0, 3), st.booleans())
def test_never_an_item_of_the_user_and_never_twice(
    sequences: list[list[int]], method: str, k: int, seed: int, later: bool
) -> None:
    """With ``later`` none that they had by then; those that they took after it may come."""
    log = make_log(sequences)
    proposals = propose(log, Fan(log), k=k, method=method, seed=seed, later=later)
    for row, user in enumerate(log.row_users):
        taken = log.sequence(user)[: log.row_positions[row] + 1 if later else None]
        own = set(taken.tolist())
        actions = proposals.actions[row]
        given = actions[actions >= 0]
        assert not own & set(given.tolist())
        assert len(set(given.tolist())) == len(given)
        assert np.array_equal(actions >= 0, np.isfinite(proposals.scores[row]))
        assert np.all(np.diff(proposals.scores[row][: len(given)]) <= 0)
        if method in ("language", "random"):
            assert len(given) == min(k, log.n_items - len(own))


def test_language_ranks_unseen_items_by_preference(log: InteractionLog, fan: Fan) -> None:
    proposals = propose(log, fan, k=3)
    logits = fan.preferences(fan.label(log).states)
    for row, user in enumerate(log.row_users):
        logits[row, log.sequence(user)] = -np.inf
        best = np.argsort(-logits[row], kind="stable")[:3]
        np.testing.assert_allclose(proposals.scores[row], logits[row, best])
        np.testing.assert_allclose(logits[row, proposals.actions[row]], logits[row, best])


class Contrarian(Fan):
    """Names the items that it likes least."""

    def preferences(self, states: FloatArray) -> FloatArray:
        return -super().preferences(states)


def test_a_budget_reranks_the_top_candidates_by_reward(log: InteractionLog) -> None:
    user = Contrarian(log)
    by_preference = propose(log, user, k=4).actions
    reranked = propose(log, user, k=1, rerank_tokens=4 * len(log) + 3).actions[:, 0]
    rewards = user.branch(log, by_preference).rewards
    best = np.take_along_axis(by_preference, rewards.argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(reranked, best)
    assert not np.array_equal(reranked, by_preference[:, 0])


def test_reranking_with_fewer_candidates_than_asked() -> None:
    log = make_log([list(range(10)), [0, 1]])
    proposals = propose(log, Fan(log), k=3, rerank_tokens=5 * len(log))
    np.testing.assert_array_equal(np.sort(proposals.actions[:10], axis=1), [[-1, 10, 11]] * 10)
    assert (proposals.actions[:10, -1] == -1).all()


@pytest.mark.parametrize("method", METHODS)
def test_small_chunks_change_nothing(
    log: InteractionLog, fan: Fan, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = propose(log, fan, k=2, method=method, seed=1)
    monkeypatch.setattr(augmentation, "CHUNK_CELLS", 2 * log.n_items)
    pieces = propose(log, fan, k=2, method=method, seed=1)
    np.testing.assert_array_equal(whole.actions, pieces.actions)


def test_random_follows_its_seed_and_weighs_all_alike(log: InteractionLog) -> None:
    first, again, other = (propose(log, k=4, method="random", seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.actions, again.actions)
    assert not np.array_equal(first.actions, other.actions)
    np.testing.assert_allclose(soft_targets(first), 0.25)


def test_popular_weighs_by_counts() -> None:
    log = make_log([[0, 0, 0, 1], [2, 0], [3, 1]])
    proposals = propose(log, k=3, method="popular")
    assert proposals.actions[4].tolist()[0] == 1
    assert proposals.actions[6].tolist()[0] == 0
    np.testing.assert_allclose(soft_targets(proposals)[6, :2], [4 / 5, 1 / 5], atol=1e-6)


def test_cooccurrence_names_what_stood_near() -> None:
    log = make_log([[0, 1], [0, 1], [0, 2], [3, 4], [0, 5]])
    proposals = propose(log, k=4, method="cooccurrence")
    assert proposals.actions[8].tolist() == [1, 2, -1, -1]
    assert proposals.actions[6].tolist() == [-1] * 4


def test_soft_targets_sum_to_one_and_sharpen() -> None:
    scores = np.array([[2.0, 1.0, -np.inf], [-np.inf] * 3], dtype=np.float32)
    proposals = Proposals(np.array([[4, 7, -1], [-1, -1, -1]]), scores)
    weights = soft_targets(proposals)
    np.testing.assert_allclose(weights[0], [np.e / (1 + np.e), 1 / (1 + np.e), 0], rtol=1e-6)
    np.testing.assert_array_equal(weights[1], 0)
    assert weights.dtype == np.float32
    assert soft_targets(proposals, temperature=0.5)[0, 0] > weights[0, 0]
    with pytest.raises(DataError, match="temperature"):
        soft_targets(proposals, temperature=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "method must be one of language, random"),
        ({"k": 0}, "k must lie between 1 and candidates"),
        ({"k": 60}, "candidates=50"),
        ({"rerank_tokens": 5}, "give at least"),
        ({"method": "popular", "rerank_tokens": 500}, "method='language'"),
    ],
)
def test_settings_that_make_no_sense(
    log: InteractionLog, fan: Fan, options: dict, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        propose(log, fan, **options)


def test_language_needs_someone_who_names_items(log: InteractionLog) -> None:
    with pytest.raises(DataError, match="needs a simulator"):
        propose(log)
    with pytest.raises(SimulatorError, match="no action model"):
        propose(log, Silent(log))
