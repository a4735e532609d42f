"""The nearest point among those that are left, exactly and in a large catalogue."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from llmrec_env.common import nearest
from llmrec_env.common.nearest import NearestLeft

RNG = np.random.default_rng(0)


@pytest.mark.core
def test_the_nearest_point_that_is_not_left_out() -> None:
    points = RNG.standard_normal((50, 4)).astype(np.float32)
    search = NearestLeft(points)
    for query in RNG.standard_normal((20, 4)).astype(np.float32):
        out = RNG.integers(0, 50, 20)
        distances = ((query - points) ** 2).sum(axis=1)
        distances[out] = np.inf
        assert search.find(query, out) == distances.argmin()


def test_a_large_catalogue_finds_what_is_left_even_where_its_cells_are_used_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(nearest, "EXACT_ITEMS", 1000)
    monkeypatch.setattr(nearest, "CELLS_READ", 1)
    points = RNG.standard_normal((4000, 4)).astype(np.float32)
    search = NearestLeft(points)
    nothing = np.zeros(0, dtype=np.int64)
    found = [search.find(point, nothing) for point in points[:200]]
    assert (np.array(found) == np.arange(200)).mean() > 0.95
    near = np.argsort(((points[0] - points) ** 2).sum(axis=1))
    assert search.find(points[0], near[:3900]) == near[3900]  # all of its own cell are out
    out_of_each = [near[:3900], nothing, near[:2]]
    rows = search.find_rows(points[[0, 9, 0]], out_of_each)
    assert rows.tolist() == [near[3900], search.find(points[9], nothing), near[2]]
    twin = pickle.loads(pickle.dumps(search))
    assert twin.find(points[5], nothing) == search.find(points[5], nothing)
