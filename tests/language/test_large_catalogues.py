"""Large catalogues: the nearest items without looking at every item."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from tiny_models import ARCHITECTURES, log_of, tiny_le

from llmrec_env.common.errors import MissingExtraError
from llmrec_env.common.nearest import VectorIndex
from llmrec_env.offline.augmentation import propose
from llmrec_env.users import language
from llmrec_env.users.language import LanguageUser

N_ITEMS = language.EXACT_ITEMS + 10_000


@pytest.fixture(scope="module")
def user() -> LanguageUser:
    """A user of an LE with more items than are ranked whole."""
    model = tiny_le(ARCHITECTURES["qwen3"], n_items=N_ITEMS)
    model.record["acceptance"] = {"slope": 1.0, "shown": [-1.0, 0.0, 1.0]}
    return LanguageUser(model)


def test_the_index_finds_nearly_all_of_the_nearest() -> None:
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((300, 32))
    vectors = centres[rng.integers(0, 300, N_ITEMS)] + rng.standard_normal((N_ITEMS, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    items, cosines = VectorIndex(vectors).search(vectors[:100], 20)
    exact = np.argsort(-(vectors[:100] @ vectors.T), axis=1)[:, :20]
    assert (items[:, 0] == np.arange(100)).all()
    assert (np.diff(cosines, axis=1) <= 0).all()
    found = [len(set(ours) & set(theirs)) / 20 for ours, theirs in zip(items, exact, strict=True)]
    assert np.mean(found) > 0.9


def test_proposals_of_a_large_catalogue_are_nearly_the_best(
    user: LanguageUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    rng = np.random.default_rng(1)
    first = log_of([rng.permutation(N_ITEMS)[:8].tolist() for _ in range(6)], user.catalogue)
    favourites = propose(first, user, k=3).actions[first.offsets[1:] - 1]
    # who owns what they like best is offered something else
    sequences = [[*first.sequence(u)[:7], *favourites[u], first.sequence(u)[7]] for u in range(6)]
    log = log_of([[int(item) for item in items] for items in sequences], user.catalogue)
    found = propose(log, user, k=10)
    monkeypatch.setattr(language, "EXACT_ITEMS", N_ITEMS)
    exact = propose(log, user, k=10)
    for row, owner in enumerate(log.row_users):
        assert not set(found.actions[row]) & set(log.sequence(owner))
    same = found.actions == exact.actions
    assert same[:, 0].mean() > 0.9
    np.testing.assert_allclose(found.scores[same], exact.scores[same], rtol=1e-4)


@pytest.mark.core
def test_without_faiss_the_error_names_the_extra(
    user: LanguageUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    nobody = np.empty(0, dtype=np.int64)
    fresh = LanguageUser(user.model)
    with pytest.raises(MissingExtraError, match=r"llmrec-env\[ann\]"):
        fresh.best_items(np.ones((1, user.state_size), dtype=np.float32), 1, (nobody, nobody))
