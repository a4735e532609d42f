"""What was shown and not taken is kept beside the log, in its place, whatever becomes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from tables import histories, write

from llmrec_env.common.errors import DataError
from llmrec_env.data import (
    Catalogue,
    InteractionLog,
    k_core,
    load,
    split_by_time,
    split_by_user,
    split_last_out,
)
from llmrec_env.data.joined import join_logs
from llmrec_env.data.order import shuffle_order
from llmrec_env.data.source import log_fingerprint

pytestmark = pytest.mark.core

FEED = (
    "user_id,item_id,time,is_click\n"
    "u,a,1,1\nu,b,2,0\nu,c,3,1\nu,a,3,0\nu,d,3,1\nu,b,9,0\nv,a,1,0\nv,b,2,1\nw,a,1,0\nv,x,3,0\n"
)


def skips(log: InteractionLog) -> dict[str, list[tuple[str, int]]]:
    """Each user's skips: the item's id, and after how many interactions."""
    ids = log.catalogue.ids
    return {
        name: [(ids[item], int(n)) for item, n in zip(*log.skips_of(user), strict=True)]
        for user, name in enumerate(log.user_ids)
    }


def random_log(seed: int, n_users: int = 12, n_items: int = 9) -> InteractionLog:
    """Rows of users who take a third of what they are shown."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, n_users, 200), rng.integers(0, n_items, 200)
    table = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in users],
            "item_id": [f"i{item}" for item in items],
            "time": np.arange(200),
            "label": (rng.random(200) < 1 / 3).astype(int),
        }
    )
    catalogue = Catalogue(pl.DataFrame({"item_id": [f"i{item}" for item in range(n_items)]}))
    return InteractionLog.from_table(catalogue, table)


def test_what_was_shown_and_not_taken_stands_before_what_was_taken_next(tmp_path: Path) -> None:
    log = load(write(tmp_path, {"interactions.csv": FEED}))
    assert histories(log) == {"u": ["a", "c", "d"], "v": ["b"]}
    assert skips(log) == {"u": [("b", 1), ("a", 1), ("b", 3)], "v": [("a", 0)]}
    assert "are kept beside them" in log.reading.events
    assert any(note.startswith("2 of the 6 rows that were shown") for note in log.reading.notes)


def test_without_times_the_rows_order_and_unseen_items_may_stay(tmp_path: Path) -> None:
    rows = "user_id,item_id,clicked\nu,a,True\nu,b,False\nu,c,True\nu,x,False\n"
    folder = write(tmp_path, {"interactions.csv": rows})
    assert skips(load(folder)) == {"u": []}
    kept = load(folder, keep_unseen_items=True)
    assert skips(kept) == {"u": [("b", 1), ("x", 2)]}
    assert histories(kept) == {"u": ["a", "c"]}


def test_a_log_without_labels_has_none(tmp_path: Path) -> None:
    log = load(write(tmp_path, {"interactions.csv": "user_id,item_id\nu,a\n"}))
    assert log.skips is None
    assert [len(part) for part in log.skips_of(0)] == [0, 0]


def test_a_skip_without_its_time_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {"interactions.csv": FEED.replace("u,b,2,0", "u,b,,0")})
    with pytest.raises(DataError, match=r"time of row 2 is missing \(1 such"):
        load(folder)


def test_the_fingerprint_tells_logs_with_other_skips_apart(tmp_path: Path) -> None:
    rows = [FEED, FEED.replace("u,b,2,0", "u,d,2,0"), FEED]
    prints = [
        log_fingerprint(load(write(tmp_path / str(place), {"interactions.csv": text})))
        for place, text in enumerate(rows)
    ]
    assert prints[0] == prints[2] != prints[1]


@pytest.mark.parametrize("seed", range(4))
def test_skips_stay_before_the_same_interaction_in_any_part_of_a_log(seed: int) -> None:
    log = random_log(seed)
    rows = np.random.default_rng([seed, 1]).random(len(log)) < 0.6
    expected: dict[str, list[tuple[str, int]]] = {}
    ids = log.catalogue.ids
    for user, name in enumerate(log.user_ids):
        own = rows[log.offsets[user] : log.offsets[user + 1]]
        found = []
        for item, after in zip(*log.skips_of(user), strict=True):
            if own[after:].any() or own[-1]:  # one that comes later is kept, or the last one is
                found.append((ids[item], int(own[:after].sum())))
        if own.any():
            expected[name] = found
    assert skips(log.keep(rows)) == expected
    users = np.random.default_rng(seed).permutation(log.n_users)[:5]
    chosen = log.select_users(users)
    assert skips(chosen) == {log.user_ids[int(u)]: skips(log)[log.user_ids[int(u)]] for u in users}


@pytest.mark.parametrize("seed", range(3))
def test_a_saved_log_has_its_skips(seed: int, tmp_path: Path) -> None:
    log = random_log(seed)
    log.save(tmp_path / "log.parquet")
    again = InteractionLog.load(tmp_path / "log.parquet", log.catalogue)
    assert skips(again) == skips(log)
    assert_array_equal(again.items, log.items)
    assert again.to_table().columns == log.to_table().columns


def test_splits_keep_them_and_tell_none_of_what_comes_later() -> None:
    log = random_log(0)
    by_user = split_by_user(log)
    assert sum(len(part.skips) for part in by_user) == len(log.skips)  # type: ignore[arg-type, misc]
    for split in (split_last_out(log), split_by_time(log)):
        for part in split:
            assert part.skips is not None
            assert len(part.skips)
        train = split.train
        for user, name in enumerate(train.user_ids):
            mine = log.user_index(name)
            lengths = train.lengths[user], log.lengths[mine]
            _, after = train.skips_of(user)
            if lengths[0] < lengths[1]:
                assert (after < lengths[0]).all()


def test_other_numbers_and_orders_of_items_keep_them() -> None:
    log = random_log(1)
    core = k_core(log, 3)
    names = set(core.catalogue.ids)
    for name, own in skips(core).items():
        assert {item for item, _ in own} <= names
        assert len(own) <= len(skips(log)[name])
    shuffled = shuffle_order(log, 0)
    for name, own in skips(shuffled).items():
        assert sorted(item for item, _ in own) == sorted(item for item, _ in skips(log)[name])


def test_joined_logs_have_them_where_every_log_tells_them() -> None:
    logs = {"one": random_log(3), "two": random_log(4)}
    expected = {
        f"{part}/{name}": [(f"{part}/{item}", after) for item, after in own]
        for part, log in logs.items()
        for name, own in skips(log).items()
    }
    assert skips(join_logs(logs)) == expected
    logs["three"] = replace(random_log(5), skips=None)
    assert join_logs(logs).skips is None


def test_skips_of_other_users_are_refused() -> None:
    log = random_log(2)
    table = pl.DataFrame({"user_id": [log.user_ids[0]], "item_id": ["i0"], "after": [999]})
    with pytest.raises(DataError, match="more interactions than its user has"):
        log.with_skips(table)
