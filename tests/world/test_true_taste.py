"""The true users: exact row by row, equal to a re-open of what they took, calibrated."""

from __future__ import annotations

import copy

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.users.base import Response, Session
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core

N_ITEMS = 80
histories_of_items = st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=6)


def initial_histories(log: InteractionLog, length: int = 5) -> list[np.ndarray]:
    return [items[: length - user % 3] for user, items in enumerate(log.sequences())]


def assert_same_session(one: Session, other: Session, actions: np.ndarray) -> None:
    assert np.array_equal(one.states, other.states)
    for a, b in zip(one.respond(actions), other.respond(actions), strict=True):
        assert np.array_equal(a, b)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_session_equals_a_reopen_of_what_was_taken(
    simulator: TrueTasteUser, data: st.DataObject
) -> None:
    n_rows = data.draw(st.integers(1, 4))
    users = np.array(data.draw(st.lists(st.integers(0, 149), min_size=n_rows, max_size=n_rows)))
    histories = [data.draw(histories_of_items) for _ in range(n_rows)]
    session = simulator.open([np.array(h) for h in histories], users)
    for _ in range(data.draw(st.integers(1, 6))):
        actions = np.array([data.draw(st.integers(0, N_ITEMS - 1)) for _ in range(n_rows)])
        accepted = np.array([data.draw(st.booleans()) for _ in range(n_rows)])
        session.respond(actions)
        session.commit(accepted)
        for row in np.flatnonzero(accepted):
            histories[row].append(int(actions[row]))
        if data.draw(st.booleans()):
            row = data.draw(st.integers(0, n_rows - 1))
            users[row] = data.draw(st.integers(0, 149))
            histories[row] = data.draw(histories_of_items)
            session.replace(np.array([row]), [np.array(histories[row])], users[[row]])
    reopened = simulator.open([np.array(h) for h in histories], users)
    assert_same_session(session, reopened, np.arange(n_rows))


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 64, 150])
def test_rows_asked_together_answer_exactly_as_alone(
    world: World, simulator: TrueTasteUser, n_rows: int
) -> None:
    users = np.arange(n_rows)
    histories = initial_histories(world.log)[:n_rows]
    together = simulator.open(histories, users)
    alone = [simulator.open([h], users[i : i + 1]) for i, h in enumerate(histories)]
    rng = np.random.default_rng(n_rows)
    for _ in range(3):
        actions, accepted = rng.integers(N_ITEMS, size=n_rows), rng.random(n_rows) < 0.5
        answer = together.respond(actions)
        states = together.commit(accepted)
        for i, session in enumerate(alone):
            single = session.respond(actions[i : i + 1])
            assert single.reward[0] == answer.reward[i]
            assert single.accept_probability[0] == answer.accept_probability[i]
            assert np.array_equal(session.commit(accepted[i : i + 1])[0], states[i])
    liking = simulator.true_liking(histories, users)
    preferences = simulator.preferences(together.states)
    for i in range(n_rows):
        assert np.array_equal(simulator.true_liking([histories[i]], users[[i]])[0], liking[i])
        assert np.array_equal(simulator.preferences(states[[i]])[0], preferences[i])


def test_strangers_are_estimated_row_by_row(world: World, simulator: TrueTasteUser) -> None:
    histories = initial_histories(world.log)[:9]
    together = simulator.open(histories).states
    for i, history in enumerate(histories):
        assert np.array_equal(simulator.open([history]).states[0], together[i])
    known = simulator.true_liking(histories, np.arange(9))
    assert not np.array_equal(simulator.true_liking(histories), known)


def test_answers_lie_in_the_unit_interval_and_states_on_the_sphere(
    world: World, simulator: TrueTasteUser
) -> None:
    users = np.arange(150)
    session = simulator.open(initial_histories(world.log), users)
    answer: Response = session.respond(users % N_ITEMS)
    for values in answer:
        assert values.dtype == np.float32
        assert ((values >= 0) & (values <= 1)).all()
    assert session.states.dtype == np.float32
    assert session.states.shape == (150, simulator.state_size)
    assert np.allclose(np.linalg.norm(session.states, axis=1), 1.0, atol=1e-6)


def test_what_a_session_returned_stays_as_it_was(world: World, simulator: TrueTasteUser) -> None:
    session = simulator.open(initial_histories(world.log)[:2], np.arange(2))
    before = session.states
    kept = before.copy()
    session.respond(np.array([1, 2]))
    after = session.commit(np.array([True, False]))
    assert np.array_equal(before, kept)
    assert not np.array_equal(after[0], kept[0])
    assert np.array_equal(after[1], kept[1])


def test_the_respond_rewards_are_the_true_liking(world: World, simulator: TrueTasteUser) -> None:
    histories, users = initial_histories(world.log)[:20], np.arange(20)
    actions = np.arange(20) * 3
    answer = simulator.open(histories, users).respond(actions)
    liking = simulator.true_liking(histories, users)
    accept = simulator.accept_probabilities(histories, users)
    assert np.array_equal(answer.reward, liking[np.arange(20), actions])
    assert np.array_equal(answer.accept_probability, accept[np.arange(20), actions])


def test_preferences_rank_items_as_the_true_liking_does(
    world: World, simulator: TrueTasteUser
) -> None:
    users = np.arange(150)
    session = simulator.open(initial_histories(world.log), users)
    logits = simulator.preferences(session.states)
    utilities = world.model.utilities(simulator.minds(initial_histories(world.log), users))
    assert np.allclose(logits, utilities, atol=1e-4)


@pytest.mark.parametrize("accept_rate", [0.02, 0.1, 0.6])
def test_a_uniformly_shown_item_is_taken_at_the_accept_rate(
    world: World, simulator: TrueTasteUser, accept_rate: float
) -> None:
    users = simulator.with_accept_rate(accept_rate)
    histories = [items[: max(3, len(items) // 2)] for items in world.log.sequences()]
    mean = users.accept_probabilities(histories, np.arange(150)).mean()
    assert mean == pytest.approx(accept_rate, abs=1e-3)
    assert simulator.accept_rate == 0.1


def test_labels_know_the_users_of_any_part_of_the_log(
    world: World, simulator: TrueTasteUser
) -> None:
    part = world.log.select_users([5, 2])
    labels = simulator.label(part)
    for row, user in enumerate([5, 2]):
        items = world.log.sequence(user)
        liking = simulator.true_liking([items[:4]], np.array([user]))
        position = part.offsets[row] + 4
        assert labels.rewards[position] == liking[0, items[4]]
    assert np.isnan(labels.rewards[part.offsets[:-1]]).all()


def test_branches_start_from_the_named_user(world: World, simulator: TrueTasteUser) -> None:
    part = world.log.select_users([7])
    actions = np.tile(np.array([[3, 9]]), (len(part), 1))
    branches = simulator.branch(part, actions)
    liking = simulator.true_liking([world.log.sequence(7)[:3]], np.array([7]))
    assert np.array_equal(branches.rewards[2], liking[0, [3, 9]])


def test_users_unknown_to_the_world_are_estimated(world: World, simulator: TrueTasteUser) -> None:
    table = world.log.select_users([1]).to_table().with_columns(user_id=pl.lit("stranger"))
    strangers = InteractionLog.from_table(world.catalogue, table)
    history = [world.log.sequence(1)[:4]]
    answered = simulator.with_users(strangers).true_liking(history, np.array([0]))
    assert np.array_equal(answered, simulator.true_liking(history))


def test_a_copy_of_an_environment_shares_the_simulator(simulator: TrueTasteUser) -> None:
    assert copy.deepcopy(simulator) is simulator


def test_users_of_another_catalogue_are_refused(world: World) -> None:
    other = generate_world(seed=0, n_items=40, n_users=3)
    with pytest.raises(DataError, match="another catalogue"):
        TrueTasteUser(world, users=other.log)


@pytest.mark.parametrize("accept_rate", [0.0, 1.0, float("nan")])
def test_an_impossible_accept_rate_is_refused(simulator: TrueTasteUser, accept_rate: float) -> None:
    with pytest.raises(SimulatorError, match="between 0 and 1"):
        simulator.with_accept_rate(accept_rate)


def test_commit_before_respond_and_uneven_users_are_refused(simulator: TrueTasteUser) -> None:
    session = simulator.open([np.array([0])], np.array([0]))
    with pytest.raises(SimulatorError, match="nothing has been shown"):
        session.commit(np.array([True]))
    with pytest.raises(SimulatorError, match="one user a history"):
        simulator.open([np.array([0])], np.array([0, 1]))
