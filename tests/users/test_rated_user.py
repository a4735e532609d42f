"""Users who answer by known ratings: what they like, what they take, what they are never shown."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import polars as pl
import pytest

from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.data import load
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.evaluation.policies import RandomPolicy
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.users.rated import RatedUser, who_rated_everything
from llmrec_env.users.states_from import StatesFrom

pytestmark = pytest.mark.core
N_ITEMS, N_USERS = 12, 20


def a_log(rated: np.ndarray, ids: list[int] | None = None) -> InteractionLog:
    """A log of a matrix of ratings, NaN where there is none."""
    order = list(range(rated.shape[1])) if ids is None else ids
    catalogue = Catalogue(pl.DataFrame({"item_id": [f"i{i}" for i in order]}))
    rows = [
        {"user_id": f"u{u}", "item_id": f"i{i}", "rating": float(rated[u, i])}
        for u in range(len(rated))
        for i in order
        if not np.isnan(rated[u, i])
    ]
    return InteractionLog.from_table(catalogue, pl.DataFrame(rows))


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 6, size=(N_USERS, N_ITEMS)).astype(float)


def test_liking_and_taking_follow_the_users_own_ratings(matrix: np.ndarray) -> None:
    log = a_log(matrix)
    users = RatedUser(log, accept_rate=0.3)
    likings = FeedbackScale.of(log).likings(log).reshape(N_USERS, N_ITEMS)
    who = np.arange(N_USERS)
    session = users.open([log.sequence(user)[:3] for user in who], who)
    chances = np.zeros((N_USERS, N_ITEMS))
    for item in range(N_ITEMS):
        liking, chances[:, item] = session.respond(np.full(N_USERS, item))
        assert liking == pytest.approx(likings[:, item])
        session.commit(np.zeros(N_USERS, dtype=bool))
    assert chances.mean() == pytest.approx(0.3, abs=1e-3)
    own = matrix[4].argsort()
    assert (np.diff(chances[4, own]) >= 0).all()
    rarer = users.with_accept_rate(0.1)
    assert rarer.open([np.array([0])], np.array([4])).respond(np.array([5]))[1] < chances[4, 5]


def test_who_they_are_is_known_by_name_and_not_by_what_they_took(matrix: np.ndarray) -> None:
    users = RatedUser(a_log(matrix))
    few = users.with_users(users.users.select_users([7, 3]))
    history = [np.array([0, 1])]
    same = few.open(history, np.array([1])).respond(np.array([5]))
    assert same == users.open(history, np.array([3])).respond(np.array([5]))
    session = few.open(history, np.array([0]))
    session.replace(np.array([0]), history, np.array([1]))
    assert session.respond(np.array([5])) == same
    with pytest.raises(SimulatorError, match="known by name"):
        users.open(history)
    with pytest.raises(DataError, match=r"1 of 1 users have no known ratings \(such as 'u19'\)"):
        RatedUser(a_log(matrix[:5]), users.users.select_users([19]))


def test_an_item_that_was_never_rated_is_never_shown(matrix: np.ndarray) -> None:
    chosen, drawn = matrix.copy(), matrix.copy()
    chosen[:, 5:] = np.nan  # what they took of their own accord
    drawn[:, :4] = np.nan  # what was drawn for them
    drawn[::2, 7:9] = np.nan
    log = a_log(chosen, ids=list(range(N_ITEMS)))
    users = RatedUser(a_log(drawn, ids=list(range(N_ITEMS))[::-1]), log)
    env = NextItemVectorEnv(num_envs=4, simulator=users, autoreset="disabled", patience=99)
    _, infos = env.reset(seed=0)
    masks = env.action_masks()
    for row, name in enumerate(infos["user_id"]):
        user = int(name[1:])
        known = ~np.isnan(drawn[user])
        known[log.sequence(user)[:3]] = False
        assert masks[row].tolist() == known.tolist()
    lengths = evaluate_policy(RandomPolicy(), users, patience=99).lengths
    assert set(lengths) == {6, 8}  # until they were shown all that is known
    told = users.open([np.array([4])], np.array([0])).respond(np.array([7]))
    assert told == (0.0, 0.0)


def test_a_user_of_whom_nothing_is_left_to_show_is_refused(matrix: np.ndarray) -> None:
    drawn = matrix.copy()
    drawn[:, 2:] = np.nan
    users = RatedUser(a_log(drawn), a_log(matrix))
    with pytest.raises(SimulatorError, match="has no unseen item of which an answer is known"):
        gym.make("LLMRec/NextItem-v1", simulator=users).reset(seed=0)


def test_another_simulator_may_see_them(matrix: np.ndarray) -> None:
    from llmrec_env.data.world.generated import generate_world
    from llmrec_env.users.true_taste import TrueTasteUser

    world = generate_world(n_items=30, n_users=20)
    rated = np.random.default_rng(0).integers(1, 6, size=(20, 30)).astype(float)
    rated[:, 20:] = np.nan
    ids = pl.DataFrame({"item_id": world.catalogue.ids})
    log = a_log(rated)
    seen = InteractionLog.from_table(
        Catalogue(ids),
        log.to_table().with_columns(item_id=pl.Series(world.catalogue.ids)[log.items.tolist()]),
    )
    users = StatesFrom(RatedUser(seen), TrueTasteUser(world))
    assert users.unknown_items(3).tolist() == list(range(20, 30))
    assert np.isfinite(evaluate_policy(RandomPolicy(), users, episodes=3).returns).all()


def test_jesters_readers_of_all_jokes(shared_data: Path) -> None:
    ratings = load(shared_data / "jester5k")
    assert who_rated_everything(ratings).n_users == 1488
    complete = who_rated_everything(ratings, share=1.0)
    assert complete.n_users == 1473
    users = RatedUser(ratings, complete)
    assert not len(users.unknown_items(0))
    with pytest.raises(DataError, match="nobody rated 99% of the"):
        who_rated_everything(ratings.keep(ratings.row_positions < 60))


def test_ratings_that_tell_nothing_are_refused(matrix: np.ndarray) -> None:
    with pytest.raises(DataError, match="no ratings, likes or play counts that differ"):
        RatedUser(a_log(np.ones_like(matrix)))
    with pytest.raises(SimulatorError, match="accept_rate"):
        RatedUser(a_log(matrix), accept_rate=1.0)
