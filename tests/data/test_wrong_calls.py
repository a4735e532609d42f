"""Wrong calls are one line that says what was expected, and are never answered silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from llmrec_env.common.errors import LLMRecError
from llmrec_env.data import k_core, shuffle_items, split_by_time, split_by_user, split_last_out
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.offline import transitions
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
Call = Callable[[InteractionLog], Any]


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world(seed=1, n_items=30, n_users=6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda log: log.catalogue.index_of("i00001"), "several texts, such as"),
        (lambda log: log.catalogue.index_of([1]), "several texts, such as"),
        (lambda log: log.catalogue.index_of(1), "several texts, such as"),
        (lambda log: log.catalogue.take([-1]), r"in \[0, 30\), got \[-1\] \(catalogue.index_of"),
        (lambda log: log.catalogue.take(["i00001"]), "whole numbers"),
        (lambda log: log.catalogue.take([1.5]), "whole numbers"),
        (lambda log: log.sequence(-1), r"user must be a whole number in \[0, 5\], got -1"),
        (lambda log: log.sequence(-2), "got -2"),
        (lambda log: log.sequence(6), "got 6"),
        (lambda log: log.sequence("u00001"), "got 'u00001'"),
        (lambda log: log.skips_of(9), "got 9"),
        (lambda log: log.select_users(["u00001"]), r"log.user_index\(id\) finds"),
        (lambda log: log.select_users([-1]), r"users must be whole numbers in \[0, 6\)"),
        (lambda log: log.select_users([0.5]), "whole numbers"),
        (lambda log: log.keep([0, 1]), "rows must be bool"),
        (lambda log: log.keep_items([-1, 2]), "items must be whole numbers"),
        (lambda log: log.with_first_target([1, 2]), "one for each of 6 users"),
        (lambda log: InteractionLog.from_table(log.catalogue, "log.csv"), "must be a DataFrame"),
        (lambda log: split_by_user("ml_100k"), r"InteractionLog, got 'ml_100k'; llmrec_env.load"),
        (lambda log: split_by_user(log, seed=-1), "seed must be a whole number"),
        (lambda log: split_last_out("ml_100k"), "must be an InteractionLog"),
        (lambda log: split_by_time("ml_100k"), "must be an InteractionLog"),
        (lambda log: k_core("ml_100k", 3), "must be an InteractionLog"),
        (lambda log: shuffle_items("ml_100k", 3), "must be an InteractionLog"),
        (lambda log: transitions("ml_100k"), "must be an InteractionLog"),
        (lambda log: transitions(log, "nowhere"), "no folder 'nowhere'"),
        (lambda log: transitions(log, 5), "simulator must be a UserSimulator"),
        (lambda log: transitions(log, "true-taste"), "of another catalogue"),
        (lambda log: transitions(log, history_length=0), "history_length must be"),
    ],
)
def test_a_wrong_call_is_one_line(call: Call, said: str, world: World) -> None:
    with pytest.raises(LLMRecError, match=said):
        call(world.log)


@pytest.mark.parametrize(
    ("histories", "candidates", "said"),
    [
        ([1, 2], [3], "item arrays, one a user"),
        ([[1], [2]], [3], r"shape \(N, C\)"),
        ([[1], [2]], [[3]], r"shape \(N, C\)"),
        ([[1], [2]], [[3], [99999]], r"items must be whole numbers in \[0, 30\)"),
        ([[1], [2]], [[3], [-1]], r"items must be whole numbers in \[0, 30\)"),
        ([[1], [-2]], [[3], [4]], r"items must be whole numbers in \[0, 30\)"),
        ([["i00001"], [2]], [[3], [4]], r"catalogue.index_of"),
    ],
)
def test_users_are_asked_about_items_alone(
    histories: Any, candidates: Any, said: str, world: World
) -> None:
    with pytest.raises(LLMRecError, match=said):
        TrueTasteUser(world).answers(histories, candidates)


def test_lists_do_as_well_as_arrays(world: World) -> None:
    user = TrueTasteUser(world)
    given = user.answers([[1], [2]], [[3, 4], [5, 6]])  # type: ignore[arg-type,list-item]
    arrays = user.answers([np.array([1]), np.array([2])], np.array([[3, 4], [5, 6]]))
    np.testing.assert_array_equal(given.reward, arrays.reward)
    assert world.log.select_users([]).n_users == 0
