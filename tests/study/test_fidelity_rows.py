"""Rows of a table of fidelity, and what is asked of them, where the truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rated_world import HELD_OUT, N_ITEMS, rated_log, taste

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.data.log import InteractionLog
from llmrec_env.experiments.fidelity.lesson import Feedback, LikedRule
from llmrec_env.experiments.fidelity.measuring import mean_of
from llmrec_env.experiments.fidelity.protocols import Task, kind_of, tasks_of
from llmrec_env.experiments.fidelity.questions import Liking, NextItem, Taking, area_under_curve
from llmrec_env.experiments.fidelity.rows import BASELINES, ROWS
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.experiments.fidelity.rows.entry import Means
from llmrec_env.users.base import Histories

pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    return rated_log()


def task(log: InteractionLog, kind: str, name: str = "", split: int = 0) -> Task:
    return tasks_of(kind, log, split, HELD_OUT)[name]()


def test_the_log_says_what_can_be_asked(log: InteractionLog) -> None:
    assert kind_of(log, HELD_OUT) == "complete"
    assert kind_of(log, 100) == "rated", "too few rated everything"
    bare = InteractionLog.of_strangers(log.catalogue, log.sequences())
    assert kind_of(bare) == "taken"


def test_nobody_is_asked_who_was_learned_from(log: InteractionLog) -> None:
    names = []
    for name in ("partly", "complete"):
        one = task(log, "complete", name)
        train, validation = (
            set(part.user_ids) for part in (one.lesson.train, one.lesson.validation)
        )
        question = one.test["ten ratings"]
        assert isinstance(question, Liking)
        assert len(question.user_ids) == HELD_OUT
        assert not train & validation
        assert not set(question.user_ids) & (train | validation)
        names.append(question.user_ids)
        everything = one.lesson.train.lengths == N_ITEMS
        assert everything.all() if name == "complete" else not everything.any()
    assert names[0] == names[1], "one truth for both logs"
    other = task(log, "complete", "partly", split=1).test["ten ratings"]
    assert isinstance(other, Liking)
    assert set(other.user_ids) != set(names[0])


def test_ten_are_read_and_all_others_judged(log: InteractionLog) -> None:
    asked = task(log, "complete", "complete").test
    ten, likes = asked["ten ratings"], asked["likes of ten"]
    assert isinstance(ten, Liking)
    assert isinstance(likes, Liking)
    for history, ratings, judged in zip(ten.histories, ten.feedback, ten.candidates, strict=True):
        assert len(history) == len(ratings) == 10
        assert sorted([*history, *judged]) == list(range(N_ITEMS))
    place = {user: at for at, user in enumerate(ten.user_ids)}
    for user, history, ratings in zip(likes.user_ids, likes.histories, likes.feedback, strict=True):
        told = ten.feedback[place[user]] > 0
        assert np.array_equal(history, ten.histories[place[user]][told])
        assert np.isnan(ratings).all()


def test_later_ratings_and_steps_follow_the_history() -> None:
    log = rated_log(timed=True)
    one = task(log, "rated")
    liking, taking = one.test["liking"], one.test["taking"]
    assert isinstance(liking, Liking)
    assert isinstance(taking, Taking)
    for user, history, judged in zip(
        liking.user_ids, liking.histories, liking.candidates, strict=True
    ):
        assert np.array_equal([*history, *judged], log.sequence(log.user_index(user)))
    for user, history, shown in zip(taking.user_ids, taking.histories, taking.shown, strict=True):
        sequence = log.sequence(log.user_index(user))
        assert sequence[len(history)] == shown[0]
        assert not set(shown[1:]) & set(sequence)


class Oracle(Row):
    """Knows what everybody thinks of everything, or the reverse of it."""

    def __init__(self, log: InteractionLog, sign: float) -> None:
        self.n_items, self._sign, self._truth = log.n_items, sign, taste()
        self._people = {tuple(own[:3]): user for user, own in enumerate(log.sequences())}

    def fit(self, lesson: object, folder: Path) -> None:
        """Nothing to learn."""

    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """The truth."""
        likings = [
            self._truth[self._user(history, ratings)][shown]
            for history, ratings, shown in zip(histories, feedback, candidates, strict=True)
        ]
        return self._sign * np.stack(likings)

    def _user(self, history: IntArray, ratings: FloatArray) -> int:
        return int(np.abs(self._truth[:, history] - ratings).sum(axis=1).argmin())


def test_the_truth_measures_one_and_its_reverse_minus_one(log: InteractionLog) -> None:
    question = task(log, "complete", "partly").test["ten ratings"]
    for sign in (1.0, -1.0):
        users = question.measure(Oracle(log, sign))
        assert users["Spearman"].to_numpy() == pytest.approx(sign)
        assert mean_of(users, "AUC") == pytest.approx((1 + sign) / 2)


def test_area_under_the_curve_counts_pairs() -> None:
    scores = np.array([3, 1, 2, 2], dtype=np.float32)
    liked = np.array([True, False, True, False])
    assert area_under_curve(scores, liked) == pytest.approx((1 + 1 + 1 + 0.5) / 4)
    assert area_under_curve(scores, np.ones(4, dtype=bool)) is None


def test_a_like_is_above_a_bound_or_above_the_users_own_mean() -> None:
    ratings = np.array([1, 3, 5, np.nan], dtype=np.float32)
    assert LikedRule(2.0)(ratings).tolist() == [False, True, True, True]
    assert LikedRule(None)(ratings).tolist() == [False, False, True, True]


@pytest.mark.parametrize("name", BASELINES)
def test_a_row_answers_whoever_is_asked(name: str, tmp_path: Path) -> None:
    one = task(rated_log(timed=True), "rated")
    row = ROWS[name].grid(one.lesson, Means(budget=0.02))[0]
    row.fit(one.lesson, tmp_path)
    histories = [np.array([3, 1, 2]), np.empty(0, dtype=np.int64)]
    feedback: Feedback = [np.array([1, np.nan, -2], dtype=np.float32), np.empty(0, np.float32)]
    candidates = np.array([[4, 5, 6], [7, 7, 1]])
    answers = row.liking(histories, feedback, candidates)
    assert answers.shape == (2, 3)
    assert answers.dtype == np.float32
    assert np.isfinite(answers).all()
    apart = row.liking(histories[:1], feedback[:1], candidates[:1])
    assert apart == pytest.approx(answers[:1], abs=1e-4), "others do not matter"


def test_the_same_is_asked_after_learning_from_fewer_users() -> None:
    one = task(rated_log(), "rated")
    fewer = one.of_fewer(0.1)
    known = one.lesson.train.user_ids
    assert len(fewer.lesson.train.user_ids) == round(0.1 * len(known))
    assert set(fewer.lesson.train.user_ids) <= set(known)
    assert fewer.test is one.test
    assert fewer.lesson.validation is one.lesson.validation
    assert list(one.of_fewer(0.1).lesson.train.user_ids) == list(fewer.lesson.train.user_ids)


@pytest.mark.parametrize("kind", ["rated", "complete"])
def test_a_sample_asks_some_users_about_some_of_the_same_items(kind: str) -> None:
    log = rated_log(timed=True)
    whole = task(log, kind, "partly" if kind == "complete" else "")
    some, again = whole.of_some(7, 6), whole.of_some(7, 6)
    asked = [question.users for question in some.test.values()]
    assert {len(users) for users in asked} == {7}
    if kind == "complete":
        assert asked == [asked[0]] * len(asked), "the same users, whatever is asked"
    assert some.validation is whole.validation
    for name, question in some.test.items():
        full, twin = whole.test[name], again.test[name]
        if isinstance(question, Liking) and isinstance(full, Liking) and isinstance(twin, Liking):
            for at, user in enumerate(question.user_ids):
                place = list(full.user_ids).index(user)
                true = dict(zip(full.candidates[place], full.ratings[place], strict=True))
                judged = question.candidates[at]
                assert len(set(judged)) == 6
                assert [true[item] for item in judged] == question.ratings[at].tolist()
                assert question.ratings[at].min() < question.ratings[at].max()
                assert judged.tolist() == twin.candidates[at].tolist()
        elif isinstance(question, Taking):
            assert [list(question.user_ids).count(user) for user in question.users] == [2] * 7


def test_a_sample_of_everything_is_everything() -> None:
    whole = task(rated_log(timed=True), "rated")
    question, same = whole.test["liking"], whole.of_some(1000, None).test["liking"]
    oracle = Oracle(rated_log(timed=True), 1.0)
    assert same.measure(oracle).equals(question.measure(oracle))


def test_a_sampled_next_item_is_put_among_all() -> None:
    short = [own[:8] for own in rated_log().sequences()[:80]]
    whole = task(InteractionLog.of_strangers(rated_log().catalogue, short), "taken")
    some = whole.of_some(3, 5).test["next item"]
    assert isinstance(some, NextItem)
    assert some.users == whole.of_some(3, 5).test["taking"].users
    assert len(some.users) == 3


@pytest.mark.slow
def test_an_le_is_asked_by_its_reward_and_ranks_by_its_actions(tmp_path: Path) -> None:
    short = [own[:8] for own in rated_log().sequences()[:80]]
    one = task(InteractionLog.of_strangers(rated_log().catalogue, short), "taken")
    row = ROWS["text"].grid(one.lesson, Means(budget=0.02))[0]
    row.fit(one.lesson, tmp_path)
    for name, question in one.test.items():
        users = question.measure(row)
        for metric in question.metrics:
            assert users[metric].is_between(0, 1).all(), (name, metric)


@pytest.mark.parametrize("name", ["explicit-mf", "set-encoder"])
def test_what_reads_ratings_knows_more_than_the_mean(
    log: InteractionLog, name: str, tmp_path: Path
) -> None:
    one = task(log, "complete", "complete")
    question, found = one.test["ten ratings"], {}
    for each in (name, "mean"):
        row = ROWS[each].grid(one.lesson, Means(budget=0.05))[0]
        row.fit(one.lesson, tmp_path)
        found[each] = mean_of(question.measure(row), "Spearman")
    assert found[name] > found["mean"] + 0.2
