"""A number means one item to all: another catalogue of the same size is refused at each door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import pytest

import llmrec_env  # noqa: F401  registers the environments
from agents import LEA, Recommender
from llmrec_env.common.errors import LLMRecError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.evaluation.beyond_accuracy import beyond_accuracy
from llmrec_env.evaluation.ranking import evaluate_ranking
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.language import embedded_user

pytestmark = pytest.mark.core
SMALL = {"dim": 8, "epochs": 1, "seed": 0}


@pytest.fixture(scope="module")
def world() -> World:
    """The world of the embedded LE, with few users."""
    return generate_world(seed=0, n_users=30)


@pytest.fixture(scope="module")
def log(world: World) -> InteractionLog:
    """Its log, with held-out steps."""
    return world.log.with_first_target(world.log.lengths // 2)


@pytest.fixture(scope="module")
def reordered(log: InteractionLog) -> InteractionLog:
    """The same log over the same items, two of which have changed places."""
    order = [1, 0, *range(2, log.n_items)]
    return replace(log, catalogue=log.catalogue.take(order))


@pytest.fixture(scope="module")
def renamed(log: InteractionLog) -> InteractionLog:
    """The same log over as many items of other names."""
    table = log.catalogue.table
    other = replace(log.catalogue, table=table.with_columns(table["item_id"] + "x"))
    return replace(log, catalogue=other)


DOORS: dict[str, Callable[[InteractionLog, InteractionLog], object]] = {
    "gym.make": lambda own, other: gym.make(
        "LLMRec/NextItem-v1", simulator=embedded_user(), users=other
    ),
    "transitions": lambda own, other: transitions(other, embedded_user()),
    "label": lambda own, other: embedded_user().label(other),
    "with_users": lambda own, other: embedded_user().with_users(other),
    "LEA.fit": lambda own, other: LEA(**SMALL).fit(other, embedded_user()),
    "validation": lambda own, other: Recommender(**SMALL).fit(own, validation=other),
    "ranking": lambda own, other: evaluate_ranking(Recommender(**SMALL).fit(own), other),
    "lists": lambda own, other: beyond_accuracy(Recommender(**SMALL).fit(own), own, other, 5),
    "returns": lambda own, other: evaluate_policy(
        Recommender(**SMALL).fit(other), embedded_user(), own, 2
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_another_catalogue_of_the_same_size_is_refused(
    door: str, log: InteractionLog, reordered: InteractionLog, renamed: InteractionLog
) -> None:
    for other in (reordered, renamed):
        with pytest.raises(LLMRecError, match=r"item ids .* same") as refused:
            DOORS[door](log, other)
        assert "\n" not in str(refused.value)


def test_a_saved_recommender_is_asked_about_its_own_items(
    log: InteractionLog, reordered: InteractionLog, tmp_path: Path
) -> None:
    Recommender(**SMALL).fit(log).save(tmp_path / "model")
    Recommender.load(tmp_path / "model", log.catalogue)
    with pytest.raises(LLMRecError, match="fitted on another catalogue"):
        Recommender.load(tmp_path / "model", reordered.catalogue)
