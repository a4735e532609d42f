"""Counterfactual validation: what holds for another recommender's log, and what was its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world import LoggingParameters, generate_world
from llmrec_env.evaluation.counterfactual import (
    counterfactual_accuracy,
    counterfactual_popularity,
    strangers_of,
)
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
SIZE = (3, 60, 300)
POPULAR = generate_world(*SIZE, logging=LoggingParameters("popularity", kept_skips=1))


@pytest.fixture(scope="module")
def own() -> Split:
    return split_by_user(POPULAR.log, 0, (0.6, 0.1, 0.3))


@pytest.fixture(scope="module")
def other() -> InteractionLog:
    world = generate_world(*SIZE, logging=LoggingParameters("uniform", kept_skips=1))
    return split_by_user(world.log, 0, (0.6, 0.1, 0.3)).test


def test_true_users_keep_their_accuracy_and_popularity_does_not(
    own: Split, other: InteractionLog
) -> None:
    truth = counterfactual_accuracy(TrueTasteUser(POPULAR), own.test, other)
    popular = counterfactual_popularity(own.train, own.test, other)
    for kind in ("uniform", "popular", "shown beside"):
        assert truth.kept[kind].mean == pytest.approx(1.0, abs=0.08)
        assert truth.own[kind].mean > 0.75
    assert popular.kept["uniform"].high < truth.kept["uniform"].low


def test_what_is_kept_is_the_ratio_of_the_two(own: Split, other: InteractionLog) -> None:
    found = counterfactual_popularity(own.train, own.test, other)
    a, b = found.other["uniform"].mean, found.own["uniform"].mean
    assert found.kept["uniform"].mean == pytest.approx(a / b)
    assert found.kept_above_chance["uniform"].mean == pytest.approx((a - 0.5) / (b - 0.5))
    same = counterfactual_popularity(own.train, own.test, own.test)
    assert same.kept["popular"].mean == 1.0


def test_an_item_shown_beside_is_one_that_the_log_kept(own: Split) -> None:
    test = own.test
    assert test.skips is not None
    rows = test.skips.row_users
    always = replace(test, items=np.zeros_like(test.items))
    alike = replace(
        always, skips=replace(test.skips, items=np.zeros_like(test.skips.items), after=rows * 0 + 1)
    )
    found = counterfactual_popularity(own.train, alike, alike)
    assert found.own["shown beside"].mean == 0.5  # one item against itself


def test_logs_that_keep_no_skips_are_asked_the_rest(own: Split, other: InteractionLog) -> None:
    plain = replace(other, skips=None)
    assert list(counterfactual_popularity(own.train, own.test, plain).own) == ["uniform", "popular"]


def test_training_users_are_left_out_of_the_other_log(own: Split, other: InteractionLog) -> None:
    assert strangers_of(other, own.train).n_users == other.n_users
    mixed = replace(other, user_ids=other.user_ids.head(80).append(own.train.user_ids.head(10)))
    assert set(strangers_of(mixed, own.train).user_ids) == set(other.user_ids[:80])
    with pytest.raises(DataError, match="all 180 held-out users"):
        strangers_of(own.train, own.train)


def test_other_items_and_users_of_one_item_are_refused(own: Split) -> None:
    elsewhere = generate_world(3, 50, 20).log
    with pytest.raises(DataError, match="the other log"):
        counterfactual_popularity(own.train, own.test, elsewhere)
    firsts = np.zeros(len(own.test), dtype=bool)
    firsts[own.test.offsets[:-1]] = True
    with pytest.raises(DataError, match="nobody in the log took two items"):
        counterfactual_popularity(own.train, own.test.keep(firsts), own.test)
