"""What divides a log into sessions, and what a session has been like."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.loading import load
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.sessions import sessions_of
from llmrec_env.data.visits import Visits
from llmrec_env.data.world import generate_world

pytestmark = pytest.mark.core
MINUTE = 60


def log_of(**columns: list[object]) -> InteractionLog:
    n = len(columns["user_id"])
    items = [f"i{row}" for row in range(n)]
    catalogue = Catalogue(pl.DataFrame({"item_id": items, "title": items}))
    return InteractionLog.from_table(catalogue, pl.DataFrame({"item_id": items, **columns}))


def test_a_column_names_sessions_and_a_user_ends_one() -> None:
    log = log_of(user_id=["a", "a", "a", "b", "b"], session=["1", "1", "2", "2", "2"])
    found = sessions_of(log)
    assert found is not None
    assert found.told == "column"
    assert_array_equal(found.starts, [True, False, True, True, False])
    assert_array_equal(found.ends, [False, True, True, False, True])
    assert_array_equal(found.places, [0, 1, 0, 0, 1])
    assert found.known.all()


def test_pauses_between_times_end_sessions_but_for_what_the_log_cuts_off() -> None:
    minutes = [0, 1, 2, 90, 91, 80, 91]
    log = log_of(user_id=[*"aaaaabb"], time=[1_600_000_000 + MINUTE * own for own in minutes])
    found = sessions_of(log)
    assert found is not None
    assert found.told == "times"
    assert_array_equal(np.flatnonzero(found.starts), [0, 3, 5])
    assert_array_equal(np.flatnonzero(found.ends), [2, 4, 6])
    assert_array_equal(np.flatnonzero(~found.known), [4, 6])  # they may have gone on
    assert sessions_of(log, "none") is None
    with pytest.raises(DataError, match="no column session"):
        sessions_of(log, "column")


def test_times_that_tell_no_pause_tell_no_sessions() -> None:
    users, day = [*"aaaabbbb"], 86_400
    dates = log_of(
        user_id=users, time=[1_600_041_600 // day * day + day * (i // 2) for i in range(8)]
    )
    assert sessions_of(dates) is None  # several in a day, and nobody knows when
    apart = log_of(user_id=users, time=[1_600_000_007 + 3 * day * i for i in range(8)])
    assert sessions_of(apart) is None
    assert sessions_of(log_of(user_id=users)) is None


def test_users_who_are_sessions_and_a_world_whose_users_leave_name_theirs(tmp_path) -> None:
    rows = ["session_id,item_id", *(f"{i // 3},{i % 4}" for i in range(12))]
    (tmp_path / "interactions.csv").write_text("\n".join(rows))
    found = sessions_of(load(tmp_path))
    assert found is not None
    assert found.count == 4
    trust = generate_world(0, 20, 30, taste="trusting").log
    told = sessions_of(trust)
    assert told is not None
    assert told.count == trust.n_users
    assert sessions_of(generate_world(0, 20, 30).log) is None


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_sessions_side_by_side_are_those_one_by_one(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 99), label="seed")
    rng, n, size = np.random.default_rng(seed), 3, 4
    together = Visits.begun(np.arange(n), size)
    alone = [Visits.begun(np.array([row]), size) for row in range(n)]
    for _ in range(5):
        shown, took = rng.random(n) < 0.8, rng.random(n) < 0.5
        likings = np.where(rng.random(n) < 0.2, np.nan, rng.random(n))
        vectors = rng.normal(size=(n, size)).astype(np.float32)
        together = together.after(shown, took, likings, vectors)
        for row in range(n):
            own = slice(row, row + 1)
            alone[row] = alone[row].after(shown[own], took[own], likings[own], vectors[own])
    assert_allclose(together.features, np.concatenate([own.features for own in alone]))
    assert (np.abs(together.closeness) <= 1 + 1e-9).all()
