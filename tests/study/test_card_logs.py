"""On which other log a card asks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmrec_env.common.errors import DataError
from llmrec_env.data.source import Source
from llmrec_env.data.splits import split_by_user, split_last_out
from llmrec_env.data.world import generate_world

pytest.importorskip("d3rlpy")  # which stands behind the panels that a card may name

from llmrec_env.experiments.card import OtherLog


@pytest.fixture(scope="module")
def source() -> Source:
    world = generate_world(3, 60, 200, taste="drifting")
    return Source("a world", world.log, split_by_user(world.log, 0), world)


def test_of_a_world_the_same_strangers_are_asked_after_other_recommendations(
    source: Source,
) -> None:
    other = OtherLog.of_world(source, 0)
    assert other is not None
    assert other.users.user_ids.to_list() == source.split.test.user_ids.to_list()
    assert other.users.catalogue.ids == source.log.catalogue.ids
    own, theirs = (
        np.sort(log.item_counts())[-6:].sum() for log in (source.split.test, other.users)
    )
    assert theirs < own  # items were shown all alike, with the world's own tastes
    assert OtherLog.of_world(replace(source, world=None), 0) is None
    assert OtherLog.of_world(replace(source, split=split_last_out(source.log)), 0) is None


def test_users_who_were_learned_from_are_not_asked(source: Source) -> None:
    train, validation, test = source.split
    elsewhere = replace(source, split=source.split._replace(test=train))
    with pytest.raises(DataError, match="are training users of the first"):
        OtherLog.of(elsewhere, source)
    both = replace(source, split=source.split._replace(test=source.log))
    assert set(OtherLog.of(both, source).users.user_ids) == {*validation.user_ids, *test.user_ids}
