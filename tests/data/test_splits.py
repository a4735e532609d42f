"""Splits hold out what they say, and nothing leaks from there into train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from llmrec_env.common.errors import DataError
from llmrec_env.data import (
    Catalogue,
    InteractionLog,
    k_core,
    shuffle_items,
    split_by_time,
    split_by_user,
    split_last_out,
)

pytestmark = pytest.mark.core
few = settings(max_examples=25, deadline=None)


def make_log(sequences: list[list[int]], times: list[int] | None = None) -> InteractionLog:
    """A log over seven items whose ratings number the rows, so that a row can be followed."""
    users = [f"u{user}" for user, sequence in enumerate(sequences) for _ in sequence]
    items = [f"i{item}" for sequence in sequences for item in sequence]
    table = {"user_id": users, "item_id": items, "rating": list(range(len(items)))}
    if times is not None:
        table["time"] = times
    catalogue = Catalogue(pl.DataFrame({"item_id": [f"i{item}" for item in range(7)]}))
    return InteractionLog.from_table(catalogue, pl.DataFrame(table))


def rows_of(log: InteractionLog) -> list[int]:
    return log.feedback["rating"].cast(pl.Int64).to_list()


def targets_of(log: InteractionLog) -> list[int]:
    held_out = log.row_positions >= np.repeat(log.first_target, log.lengths)
    return log.feedback["rating"].cast(pl.Int64).filter(held_out).to_list()


sequences = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=6), min_size=10, max_size=20)
long_sequences = st.lists(st.lists(st.integers(0, 6), min_size=3, max_size=6), min_size=1)


@st.composite
def timed_logs(draw: st.DrawFn) -> InteractionLog:
    chosen = draw(sequences)
    size = sum(map(len, chosen))
    return make_log(chosen, draw(st.lists(st.integers(0, 99), min_size=size, max_size=size)))


@few
@given(sequences, st.integers(0, 9))
def test_by_user_every_user_is_in_one_part_with_the_whole_sequence(chosen, seed):
    log = make_log(chosen)
    split = split_by_user(log, seed)
    ids = [user for part in split for user in part.user_ids]
    assert sorted(ids) == sorted(log.user_ids)
    for part in split:
        for index, user in enumerate(part.user_ids):
            assert part.sequence(index).tolist() == chosen[int(user[1:])]
    assert sorted(row for part in split for row in rows_of(part)) == list(range(len(log)))


def test_by_user_takes_the_shares_and_follows_the_seed():
    log = make_log([[1, 2]] * 20)
    split = split_by_user(log, seed=3)
    assert [part.n_users for part in split] == [16, 2, 2]
    again, other = split_by_user(log, seed=3), split_by_user(log, seed=4)
    assert split.test.user_ids.to_list() == again.test.user_ids.to_list()
    assert split.test.user_ids.to_list() != other.test.user_ids.to_list()


@few
@given(sequences, long_sequences)
def test_last_out_holds_the_last_two_out(short, long):
    log = make_log(short + long)
    split = split_last_out(log)
    targets = [*targets_of(split.validation), *targets_of(split.test)]
    assert sorted([*rows_of(split.train), *targets]) == list(range(len(log)))
    for part, back in ((split.validation, 2), (split.test, 1)):
        assert part.n_users == int((log.lengths >= 3).sum())
        for index, user in enumerate(part.user_ids):
            whole = (short + long)[int(user[1:])]
            assert part.sequence(index).tolist() == whole[: len(whole) - back + 1]
            assert part.first_target[index] == len(whole) - back


def test_last_out_keeps_short_users_in_train_only():
    split = split_last_out(make_log([[1, 2], [1, 2, 3]]))
    assert [sequence.tolist() for sequence in split.train.sequences()] == [[1, 2], [1]]
    assert split.test.user_ids.to_list() == ["u1"]
    with pytest.raises(DataError, match="three interactions"):
        split_last_out(make_log([[1, 2], [3]]))


@few
@given(timed_logs(), st.integers(1, 98), st.integers(1, 98))
def test_by_time_nothing_of_a_later_part_is_in_an_earlier_one(log, one, two):
    first, second = sorted((one, two))
    try:
        split = split_by_time(log, cutoffs=(first, second))
    except DataError:
        reject()
    assert split.train.feedback["time"].max() < first
    assert split.validation.feedback["time"].max() < second
    bounds = ((split.validation, first, second), (split.test, second, 100))
    times = log.feedback["time"].to_numpy()
    row_of = dict(zip(rows_of(log), range(len(log)), strict=True))
    for part, start, end in bounds:
        targets = {row_of[rating] for rating in targets_of(part)}
        wanted = (times >= start) & (times < end) & (log.row_positions > 0)
        assert targets == set(np.flatnonzero(wanted))
    for part in split:
        for index, user in enumerate(part.user_ids):
            whole = log.sequence(log.user_index(user)).tolist()
            assert part.sequence(index).tolist() == whole[: part.lengths[index]]


def test_by_time_takes_the_shares_of_the_interactions():
    log = make_log([list(range(7)), list(range(3))], times=list(range(10)))
    split = split_by_time(log, fractions=(0.4, 0.2, 0.4))
    assert rows_of(split.train) == [0, 1, 2, 3]
    assert targets_of(split.validation) == [4, 5]
    assert targets_of(split.test) == [6, 8, 9]  # 7 opens its user's sequence


def test_by_time_is_refused_without_times():
    with pytest.raises(DataError, match=r"no time.*split by user"):
        split_by_time(make_log([[1, 2], [3]]))


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.8, 0.1, 0.2), (1.0, 0.0, 0.0)])
def test_shares_must_be_three_and_sum_to_one(fractions):
    with pytest.raises(DataError, match="three positive numbers"):
        split_by_user(make_log([[1]] * 10), fractions=fractions)


def test_an_empty_part_is_refused():
    with pytest.raises(DataError, match="validation part is empty"):
        split_by_user(make_log([[1], [2]]))
    with pytest.raises(DataError, match="the first must be the earlier one"):
        split_by_time(make_log([[1, 2]], [5, 6]), cutoffs=(6, 5))


@few
@given(sequences, st.integers(1, 4))
def test_k_core_is_the_largest_part_that_fits(chosen, k):
    log = make_log(chosen)
    table = log.to_table()
    before = -1
    while before != (before := table.height):
        for column in ("user_id", "item_id"):
            table = table.filter(pl.len().over(column) >= k)
    if before == 0:
        with pytest.raises(DataError, match="take a smaller k"):
            k_core(log, k)
        return
    core = k_core(log, k)
    assert core.to_table().equals(table)
    assert core.lengths.min() >= k
    assert core.item_counts().min() >= k


def test_k_core_comes_before_the_split():
    split = split_last_out(make_log([[1, 2, 1, 2, 1]]))
    with pytest.raises(DataError, match="filter first"):
        k_core(split.test, 1)


@few
@given(sequences, st.integers(0, 9))
def test_shuffled_items_are_the_same_items_under_other_numbers(chosen, seed):
    log = make_log(chosen)
    shuffled = shuffle_items(log, seed)
    assert shuffled.to_table().equals(log.to_table())
    assert sorted(shuffled.catalogue.ids) == sorted(log.catalogue.ids)
    assert shuffle_items(log, seed).catalogue.ids == shuffled.catalogue.ids


def test_the_shuffle_moves_the_numbers():
    log = make_log([list(range(7))])
    assert shuffle_items(log, 0).items.tolist() != log.items.tolist()


def test_a_saved_log_still_knows_what_it_holds_out(tmp_path: Path) -> None:
    test = split_last_out(make_log([[1, 2, 3], [4, 5, 6, 0], [2, 4, 6]])).test
    test.save(tmp_path / "test.parquet")
    loaded = InteractionLog.load(tmp_path / "test.parquet", test.catalogue)
    assert loaded.first_target.tolist() == test.first_target.tolist() == [2, 3, 2]
    assert targets_of(loaded) == targets_of(test)
