"""LEs that read how items were liked: one answer at every door, liking apart from taking."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tiny_models import TINY

import llmrec_env
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives
from llmrec_env.data.reading import Reading
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.fidelity import (
    popularity_accuracy,
    spearman,
    taking_accuracy,
    unseen_items,
)
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.fitting import fit_language_environment, untrained_language_environment
from llmrec_env.language.liking_learning import LikingConfig
from llmrec_env.language.member_learning import MembersConfig, learn_members
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser

gym.register_envs(llmrec_env)

pytestmark = pytest.mark.core
WORLD = generate_world(seed=0, n_items=60, n_users=300)
TASTES = (WORLD.tastes @ WORLD.factors.T).astype(np.float32)
CONFIG = replace(TINY, liking=LikingConfig(steps=60, batch_size=64, learning_rate=1e-2, most=12))


def rated(log: InteractionLog, **reading: str) -> InteractionLog:
    """A log of the world whose users rate by their taste, some a little higher than others."""
    rows = WORLD.user_rows(log.user_ids)[log.row_users]
    ratings = 3 + 3 * TASTES[rows, log.items] + rows % 3
    feedback = log.feedback.with_columns(pl.Series("rating", ratings, dtype=pl.Float32))
    return replace(log, feedback=feedback, reading=replace(log.reading, **reading))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rated_split() -> Split:
    """Users of the world who rate what they take."""
    return split_by_user(rated(WORLD.log), seed=0)


@pytest.fixture(scope="module")
def model(rated_split: Split) -> LanguageEnvironment:
    """An LE that learned from their ratings."""
    s = rated_split
    return fit_language_environment(s.train, s.validation, config=CONFIG, users=s.test)


@pytest.fixture(scope="module")
def user(model: LanguageEnvironment) -> LanguageUser:
    """Users of that LE."""
    return LanguageUser(model, accept_rate=0.4)


def ratings(log: InteractionLog, user: int) -> FloatArray:
    """What a user of a log rated, in stars."""
    part = slice(log.offsets[user], log.offsets[user + 1])
    return log.feedback["rating"].to_numpy()[part].astype(np.float32)


def test_ratings_order_unseen_items_by_taste(user: LanguageUser, rated_split: Split) -> None:
    test = rated_split.test
    counts = rated_split.train.item_counts()
    everything = np.arange(60)[None]
    ours, without, popular = [], [], []
    for row in range(test.n_users):
        seen = test.sequence(row)[:8]
        told = ratings(test, row)[:8]
        unseen = np.setdiff1d(everything[0], seen)
        truth = TASTES[WORLD.user_rows(test.user_ids)[row], unseen]
        for found, feedback in ((ours, [told]), (without, None)):
            liking = user.answers([seen], everything, feedback).reward[0, unseen]
            found.append(spearman(liking, truth))
        popular.append(spearman(counts[unseen], truth))
    assert np.mean(ours) > np.mean(popular) + 0.1
    assert np.mean(ours) > np.mean(without)


def test_dislikes_are_read(user: LanguageUser, rated_split: Split) -> None:
    history = [rated_split.test.sequence(0)[:6]]
    items = np.arange(60)[None]
    best, worst = (
        user.answers(history, items, [np.full(6, stars, dtype=np.float32)]) for stars in (7.0, 0.0)
    )
    assert not np.allclose(best.reward, worst.reward, atol=1e-3)


def test_a_session_answers_as_one_pass_does(user: LanguageUser, rated_split: Split) -> None:
    test = rated_split.test
    histories = [test.sequence(row)[: 4 + 9 * (row % 2)] for row in range(5)]
    feedback = [ratings(test, row)[: len(h)] for row, h in enumerate(histories)]
    candidates = np.tile(np.arange(20, 32), (5, 1))
    known = user.answers(histories, candidates, feedback)
    session = user.open(histories, feedback=feedback)
    for column in range(12):
        answer = session.respond(candidates[:, column])
        assert_allclose(answer.reward, known.reward[:, column], atol=1e-5)
        assert_allclose(answer.accept_probability, known.accept_probability[:, column], atol=1e-5)
        session.commit(np.zeros(5, dtype=bool))


def test_what_is_taken_is_read_as_of_unknown_feedback(
    user: LanguageUser, rated_split: Split
) -> None:
    test = rated_split.test
    history, told = test.sequence(0)[:5], ratings(test, 0)[:5]
    session = user.open([history], feedback=[told])
    for item in range(30, 45):  # moves the window, too
        session.respond(np.array([item]))
        session.commit(np.array([True]))
        history, told = np.append(history, item), np.append(told, np.float32(np.nan))
        again = user.open([history], feedback=[told])
        assert_allclose(session.states, again.states, atol=1e-5)
        shown = np.array([7])
        assert_allclose(session.respond(shown).reward, again.respond(shown).reward, atol=1e-5)
        session.commit(np.array([False]))


def test_labels_are_what_a_session_would_say(user: LanguageUser, rated_split: Split) -> None:
    log = rated_split.test.select_users([0, 1])
    labels, branches = user.label(log), user.branch(log, np.full((len(log), 1), 11))
    for row in range(2):
        sequence, told = log.sequence(row), ratings(log, row)
        for t in range(1, len(sequence), 4):
            session = user.open([sequence[:t]], feedback=[told[:t]])
            place = log.offsets[row] + t
            assert_allclose(session.states[0], labels.states[place - 1], atol=1e-5)
            answer = session.respond(sequence[t : t + 1])
            assert answer.reward[0] == pytest.approx(labels.rewards[place], abs=1e-5)
            branch = session.respond(np.array([11])).reward[0]
            assert branch == pytest.approx(branches.rewards[place - 1, 0], abs=1e-5)


def test_who_comes_again_with_the_same_feedback_is_not_read_again(
    user: LanguageUser, rated_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = rated_split.test
    histories = [test.sequence(row)[: 4 + row] for row in range(4)]
    told = [ratings(test, row)[: 4 + row] for row in range(4)]
    session = user.open(histories, feedback=told)
    reads: list[int] = []
    read = AnsweringLE.read

    def counted(self: AnsweringLE, items: Any, *rest: Any) -> Any:
        reads.append(len(items))
        return read(self, items, *rest)

    monkeypatch.setattr(AnsweringLE, "read", counted)
    for row, who, feedback, expected in ((3, 0, 0, 1), (2, 0, 0, 0), (1, 0, None, 1)):
        reads.clear()
        known = [told[0]] if feedback is not None else None
        states = session.replace(np.array([row]), [histories[who]], feedback=known)
        assert sum(reads) == expected
        alone = user.open([histories[who]], feedback=known)
        assert_allclose(states[row], alone.states[0], atol=1e-5)
        items = np.full(4, 50)
        one, other = session.respond(items).reward[row], alone.respond(items[:1]).reward[0]
        assert one == pytest.approx(other, abs=1e-5)


def test_a_saved_le_reads_feedback_as_before(
    user: LanguageUser, rated_split: Split, tmp_path: Path
) -> None:
    user.model.save_pretrained(tmp_path / "le")
    again = LanguageUser.from_pretrained(tmp_path / "le", accept_rate=0.4)
    assert again.model.config.feedback == user.model.config.feedback
    history = [rated_split.test.sequence(0)[:6]]
    feedback = [ratings(rated_split.test, 0)[:6]]
    items = np.arange(60)[None]
    for old, new in zip(
        user.answers(history, items, feedback), again.answers(history, items, feedback), strict=True
    ):
        assert_allclose(old, new, atol=1e-5)


def test_the_environment_tells_the_initial_history_with_its_ratings(user: LanguageUser) -> None:
    env = gym.make("LLMRec/NextItem-v1", simulator=user)
    log = user.users
    name = str(log.user_ids[0])
    _, info = env.reset(seed=0, options={"user_id": name})
    half = max(3, int(log.lengths[0]) // 2)
    action = int(np.flatnonzero(info["action_mask"])[0]) if "action_mask" in info else 0
    _, reward, _, _, info = env.step(action)
    shown = info.get("item", action)
    expected = user.answers(
        [log.sequence(0)[:half]], np.array([[shown]]), [ratings(log, 0)[:half]]
    ).reward[0, 0]
    assert reward == pytest.approx(float(expected), abs=1e-5)


def test_without_order_a_history_is_a_set(rated_split: Split) -> None:
    train, validation = (
        rated(log, order="unknown") for log in (rated_split.train, rated_split.validation)
    )
    le = fit_language_environment(train, validation, config=CONFIG)
    assert le.config.ordered is False
    user = LanguageUser(le)
    history, told = rated_split.test.sequence(0)[:8], ratings(rated_split.test, 0)[:8]
    order = np.random.default_rng(0).permutation(8)
    items = np.arange(60)[None]
    one = user.answers([history], items, [told]).reward
    other = user.answers([history[order]], items, [told[order]]).reward
    assert_allclose(one, other, atol=1e-5)
    session = user.open([history], feedback=[told])
    assert_allclose(session.respond(np.array([40])).reward, one[:, 40], atol=1e-5)


def test_feedback_that_does_not_fit_is_refused(user: LanguageUser) -> None:
    history = [np.array([1, 2, 3])]
    with pytest.raises(SimulatorError, match="lengths do not fit"):
        user.open(history, feedback=[np.ones(2, dtype=np.float32)])
    for nonsense in (["a", "b", "c"], [[1.0], [2.0], [3.0]], "abc"):
        with pytest.raises(DataError, match="an array of numbers for each history"):
            user.open(history, feedback=[nonsense])  # type: ignore[list-item]
    with pytest.raises(DataError, match="NaN where"):
        user.open(history, feedback=[np.array([1, np.inf, 2], dtype=np.float32)])


@pytest.mark.parametrize(
    ("asked", "source"), [("auto", "rating"), ("event", "event"), ("none", None)]
)
def test_the_column_asked_for_is_read(rated_split: Split, asked: str, source: str | None) -> None:
    events = pl.Series("event", np.resize(["view", "buy", "view"], len(rated_split.train)))
    train = rated_split.train
    train = replace(train, feedback=train.feedback.with_columns(events))
    config = replace(CONFIG, feedback=asked)  # type: ignore[arg-type]
    le = untrained_language_environment(train, config=config)
    scale = le.config.feedback
    assert (None if scale is None else scale.source) == source
    with pytest.raises(DataError, match="nothing in the log's column 'weight' differs"):
        untrained_language_environment(train, config=replace(CONFIG, feedback="weight"))


def test_taking_is_told_from_the_item_and_not_from_its_having_feedback(
    user: LanguageUser, rated_split: Split
) -> None:
    log = rated_split.validation
    negatives = Negatives(log, 1.0).draw(log.row_users, np.random.default_rng(0))
    wins = []
    for row in range(log.n_users):
        rows = np.arange(log.offsets[row] + 2, log.offsets[row + 1], 3)
        histories = [log.items[log.offsets[row] : place] for place in rows]
        told = [ratings(log, row)[: len(history)] for history in histories]
        pairs = np.stack([log.items[rows], negatives[rows]], axis=1)
        answers = user.answers(histories, pairs, told).accept_probability
        wins += (answers[:, 0] > answers[:, 1]).tolist()
    learned = max(entry["accuracy"] for entry in user.model.record["learning"]["curve"])
    assert abs(float(np.mean(wins)) - learned) < 0.15


def test_every_step_is_asked_for_the_chance_of_taking_where_the_reward_is_another(
    user: LanguageUser, learned: LanguageEnvironment, rated_split: Split
) -> None:
    train, log = rated_split.train, rated_split.validation
    found = taking_accuracy(user, train, log)
    assert found is not None
    drawn, wins = unseen_items(log, 0), []
    for row in range(log.n_users):
        rows = np.arange(log.offsets[row] + 1, log.offsets[row + 1])
        histories = [log.items[log.offsets[row] : place] for place in rows]
        told = [ratings(log, row)[: len(history)] for history in histories]
        pairs = np.column_stack([log.items[rows], drawn[rows - 1, 1]])
        chances = user.answers(histories, pairs, told).accept_probability
        wins += ((chances[:, 0] > chances[:, 1]) + 0.5 * (chances[:, 0] == chances[:, 1])).tolist()
    assert found["simulator"]["accuracy, popular"].mean == pytest.approx(np.mean(wins), abs=0.005)
    popular = popularity_accuracy(train, log).popular
    assert found["popularity"]["accuracy, popular"].mean == pytest.approx(popular)
    assert taking_accuracy(LanguageUser(learned), train, log) is None  # its reward says the same


def test_a_log_without_feedback_gives_an_le_without(learned: LanguageEnvironment) -> None:
    assert learned.config.feedback is None
    assert learned.heads.liking is None
    assert not LanguageUser(learned).reads_feedback


def test_ratings_that_are_all_alike_are_told_to_who_reads_ratings(rated_split: Split) -> None:
    log = rated_split.test
    same = [pl.lit(4.0, dtype=pl.Float32).alias("rating"), pl.lit(9.0).alias("weight")]
    alike = replace(log, feedback=log.feedback.with_columns(same))
    user = int(InitialHistories(alike).eligible[0])
    assert (InitialHistories(alike, "rating").feedback(user) == 4.0).all()
    assert np.isnan(InitialHistories(alike).feedback(user)).all()


def test_feedback_is_compared_within_a_user(rated_split: Split) -> None:
    log = rated_split.train
    scale = FeedbackScale.of(log)
    assert scale is not None
    z = scale.within_users(log)
    rows = log.row_users
    harsh = np.bincount(rows, log.feedback["rating"].to_numpy()) / log.lengths < 3.5
    means = np.bincount(rows, z) / log.lengths
    assert abs(means[harsh].mean() - means[~harsh].mean()) < 0.35
    order = np.argsort(log.feedback["rating"].to_numpy()[rows == 0])
    assert_array_equal(order, np.argsort(z[rows == 0]))


def test_play_counts_are_feedback_and_equal_ones_are_none() -> None:
    table = pl.DataFrame(
        {"user_id": ["a", "a", "b"], "item_id": ["0", "1", "0"], "weight": [1.0, 100.0, 5.0]}
    )
    catalogue = WORLD.log.catalogue
    ids = catalogue.ids[:2]
    table = table.with_columns(pl.col("item_id").replace({"0": ids[0], "1": ids[1]}))
    log = InteractionLog.from_table(catalogue, table, reading=Reading(order="time"))
    scale = FeedbackScale.of(log)
    assert scale is not None
    assert scale.source == "weight"
    assert np.ptp(scale.values(log)) < 100
    same = replace(log, feedback=log.feedback.with_columns(pl.lit(1.0).alias("weight")))
    assert FeedbackScale.of(same) is None


def test_members_differ_in_liking_and_agree_with_their_mean(
    model: LanguageEnvironment, rated_split: Split
) -> None:
    twin = copy.deepcopy(model)
    learn_members(
        twin,
        rated_split.train,
        rated_split.validation,
        MembersConfig(count=3, epochs=1, min_steps=5, validations=1),
        liking=LikingConfig(steps=10, batch_size=32, most=12),
    )
    user = LanguageUser(twin)
    test = rated_split.test
    histories, told = [test.sequence(0)[:6]], [ratings(test, 0)[:6]]
    session = user.open(histories, feedback=told)
    answer = session.respond(np.array([30]))
    assert session.members is not None
    liking, taking = session.members
    assert liking.std() > 0
    assert not np.allclose(liking, taking)
    assert_allclose(answer.reward, liking.mean(axis=0), atol=1e-6)
    at_once = user.answers(histories, np.array([[30]]), told)
    assert_allclose(at_once.reward[:, 0], answer.reward, atol=1e-5)
