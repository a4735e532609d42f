"""The table of transitions says what the log and the simulator say, row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from offline_users import N_ITEMS, Fan, Silent, make_log

from llmrec_env.common.errors import DataError
from llmrec_env.data import InteractionLog
from llmrec_env.offline import Transitions, propose, transitions
from llmrec_env.offline.table import COLUMNS

pytestmark = pytest.mark.core


def logged_steps(log: InteractionLog) -> list[tuple[int, int]]:
    """(user, position) of every interaction that another follows."""
    return [(u, t) for u in range(log.n_users) for t in range(int(log.lengths[u]) - 1)]


def test_logged_rows_follow_the_log(log: InteractionLog, fan: Fan) -> None:
    table = transitions(log, fan)
    steps = logged_steps(log)
    assert len(table) == len(steps) == 8
    for row, (user, t) in enumerate(steps):
        items = log.sequence(user)
        last = t == len(items) - 2
        np.testing.assert_allclose(table.state[row], fan.encode([items[: t + 1]])[0], atol=1e-6)
        np.testing.assert_allclose(
            table.next_state[row], fan.encode([items[: t + 2]])[0], atol=1e-6
        )
        liking = fan.answer([items[: t + 1]], items[t + 1 : t + 2]).reward[0]
        np.testing.assert_allclose(table.reward[row], liking, atol=1e-6)
        assert table.action[row] == items[t + 1]
        assert table.user[row] == user
        assert table.terminal[row] == last
        assert table.next_action[row] == (-1 if last else items[t + 2])
        assert not table.augmented[row]
    np.testing.assert_array_equal(
        table.next_reward[~table.terminal], table.reward[1:][~table.terminal[:-1]]
    )
    assert not table.next_reward[table.terminal].any()


@pytest.mark.parametrize("k", [1, 3])
def test_augmented_rows_are_what_the_simulator_says(log: InteractionLog, fan: Fan, k: int) -> None:
    table = transitions(log, fan, augment=k)
    proposals = propose(log, fan, k=k)
    row = len(logged_steps(log))
    for user, t in logged_steps(log):
        history = log.sequence(user)[: t + 1]
        for action in proposals.actions[log.offsets[user] + t]:
            taken = np.append(history, action)
            seen = np.append(log.sequence(user), action)
            liked = fan.preferences(fan.encode([taken]))[0]
            liked[seen] = -np.inf
            assert table.augmented[row]
            assert not table.terminal[row]
            assert table.user[row] == user
            assert table.action[row] == action
            np.testing.assert_allclose(table.state[row], fan.encode([history])[0], atol=1e-6)
            np.testing.assert_allclose(table.next_state[row], fan.encode([taken])[0], atol=1e-6)
            liking = fan.answer([history], np.array([action])).reward[0]
            np.testing.assert_allclose(table.reward[row], liking, atol=1e-6)
            follow_up = table.next_action[row]
            np.testing.assert_allclose(liked[follow_up], liked.max(), atol=1e-6)
            asked = fan.answer([taken], np.array([follow_up])).reward[0]
            np.testing.assert_allclose(table.next_reward[row], asked, atol=1e-6)
            row += 1
    assert row == len(table)


def test_without_asking_again_the_follow_up_repeats_the_reward(
    log: InteractionLog, fan: Fan
) -> None:
    asked, unasked = (transitions(log, fan, augment=1, ask_follow_up=a) for a in (True, False))
    added = unasked.augmented
    np.testing.assert_array_equal(unasked.next_reward[added], unasked.reward[added])
    for name in set(COLUMNS) - {"next_reward"}:
        np.testing.assert_array_equal(getattr(asked, name), getattr(unasked, name))


def test_history_states_are_the_last_items_right_aligned(log: InteractionLog) -> None:
    table = transitions(log, history_length=3)
    assert table.kind == "history"
    assert table.state.dtype == np.float32
    pad = N_ITEMS
    np.testing.assert_array_equal(
        table.state[:4], [[pad, pad, 0], [pad, 0, 1], [0, 1, 2], [1, 2, 3]]
    )
    np.testing.assert_array_equal(table.next_state[:4, -1], [1, 2, 3, 2])
    np.testing.assert_array_equal(table.reward, 1)


def test_a_control_needs_no_simulator(log: InteractionLog) -> None:
    proposals = propose(log, k=2, method="popular")
    table = transitions(log, augment=proposals, history_length=3)
    added = table.augmented
    assert added.sum() == (proposals.actions[[0, 1, 2, 3, 5, 8, 9, 10]] >= 0).sum()
    np.testing.assert_array_equal(table.next_state[added][:, -1], table.action[added])
    np.testing.assert_array_equal(table.next_state[added][:, :-1], table.state[added][:, 1:])
    np.testing.assert_array_equal(table.reward[added], 1)


def test_a_simulator_that_names_nothing_follows_the_log(log: InteractionLog) -> None:
    user = Silent(log)
    table = transitions(log, user, augment=propose(log, method="random"))
    logged = table.action[~table.augmented]
    np.testing.assert_array_equal(table.next_action[table.augmented], logged)


def test_ratings_are_scaled_and_augmented_actions_earn_their_mean() -> None:
    log = make_log([[0, 1, 2], [3, 4]], rating=[1.0, 3.0, 5.0, 2.0, 4.0])
    table = transitions(log, Fan(log), reward="rating", augment=1)
    np.testing.assert_allclose(table.reward[~table.augmented], [0.5, 1.0, 0.75])
    np.testing.assert_allclose(table.reward[table.augmented], 0.75)


def test_events_pay_clicks_and_purchases() -> None:
    log = make_log([[0, 1, 2, 3]], event=["view", "view", "addtocart", "Transaction"])
    np.testing.assert_allclose(transitions(log, reward="event").reward, [0.2, 1.0, 1.0])
    odd = make_log([[0, 1]], event=["view", "stare"])
    with pytest.raises(DataError, match="'stare'"):
        transitions(odd, reward="event")


def test_parquet_brings_it_back_whole(log: InteractionLog, fan: Fan, tmp_path: Path) -> None:
    table = transitions(log, fan, augment=2)
    table.save(tmp_path / "table.parquet")
    back = Transitions.load(tmp_path / "table.parquet")
    for name in COLUMNS:
        column = getattr(table, name)
        np.testing.assert_array_equal(getattr(back, name), column)
        assert getattr(back, name).dtype == column.dtype
    assert (back.n_items, back.kind) == (N_ITEMS, "language")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="no transitions table"):
        Transitions.load(tmp_path / "other.parquet")


def test_the_frame_has_one_row_a_transition(log: InteractionLog, fan: Fan) -> None:
    table = transitions(log, fan, augment=1)
    frame = table.frame()
    assert frame.height == len(table)
    assert frame.schema["state"] == pl.Array(pl.Float32, table.state_size)
    assert frame.filter(pl.col("augmented")).height == table.augmented.sum()
    assert table.nbytes < 4 * len(table) * (2 * table.state_size + 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "language"}, "state='language' needs a simulator"),
        ({"reward": "language"}, "reward='language' needs a simulator"),
        ({"augment": 2}, "augment=2 needs a simulator"),
        ({"augment": -1}, "0 or more"),
        ({"reward": "rating"}, "needs the log's column 'rating'"),
        ({"reward": "event"}, "needs the log's column 'event'"),
        ({"state": "mood"}, "state must be"),
        ({"reward": "gold"}, "reward must be"),
    ],
)
def test_what_is_not_there_is_named(log: InteractionLog, options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        transitions(log, **options)


def test_things_that_do_not_belong_together(log: InteractionLog, fan: Fan) -> None:
    with pytest.raises(DataError, match="one catalogue"):
        transitions(make_log([[0, 1]], n_items=5), fan)
    with pytest.raises(DataError, match="the log has 2"):
        transitions(make_log([[0, 1]]), fan, augment=propose(log, fan))
    with pytest.raises(DataError, match="no user of the log has two interactions"):
        transitions(make_log([[0], [1]]))
