"""The three protocols: users who rated everything, users who rated some, users who only took.

A protocol makes the tasks of one split: who may be learned from, and what is asked of validation
and of test users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives
from llmrec_env.data.repeats import masks_seen
from llmrec_env.data.splits import some_users, split_by_user
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson, LikedRule, ratings_of
from llmrec_env.experiments.fidelity.questions import Liking, NextItem, Question, Taking

HISTORY, LONG_HISTORY = 10, 50
"""Items of a user who rated everything that are read, in a short and in a long history."""
FEWEST = 5
"""Later ratings, not all the same, from which a user is judged."""
STEPS = 10
"""Steps of a held-out user that are judged, at most: the first of the later half."""
JUDGED = 1000
"""Held-out users of whom steps are judged, at most."""
HELD_OUT = 500
"""Users who rated everything that are held out; as many or more must be left to learn from."""
MOST_ITEMS = 20_000
"""Items up to which a log of takes is judged whole."""
OFTEN, LONG = 5, 3
"""Of a larger one: takes of an item that is kept, and of a user, of such items."""
ALIKE = 0.1
"""Share of the users of a log of complete users, or of others, that validate."""


@dataclass(frozen=True, eq=False)
class Task:
    """One split of one log: what may be learned, and what is asked."""

    lesson: Lesson
    validation: dict[str, Question]
    test: dict[str, Question]

    def of_fewer(self, share: float) -> Task:
        """The same questions after learning from a share of the training users, at least one."""
        train = some_users(self.lesson.train, share, [self.lesson.seed, 25])
        return replace(self, lesson=replace(self.lesson, train=train))

    def of_some(self, users: int | None, candidates: int | None) -> Task:
        """The same questions about some of the test users, and some of what each would be asked.

        Drawn by the split's seed: every row is asked the same. A user of one question is one of
        the others' too, where they are asked there.

        Args:
            users: of each question, at most; None: all.
            candidates: items of each user that are judged, at most; None: all.
        """
        rng = np.random.default_rng([self.lesson.seed, 26])
        order = rng.permutation(sorted(set().union(*(own.users for own in self.test.values()))))

        def some(question: Question) -> Question:
            known = question.users
            chosen = [user for user in order.tolist() if user in known][:users]
            return question.of_users(set(chosen)).of_candidates(candidates, rng)

        return replace(self, test={name: some(own) for name, own in self.test.items()})


Tasks = dict[str, Callable[[], Task]]
"""By the name of the log that is learned from; "" where there is but one."""


def kind_of(log: InteractionLog, held_out: int = HELD_OUT) -> str:
    """The protocol that suits a log: ``complete``, ``rated`` or ``taken``."""
    if "rating" not in log.feedback.columns:
        return "taken"
    return "complete" if int(_rated_all(log).sum()) >= 2 * held_out else "rated"


def tasks_of(kind: str, log: InteractionLog, split: int, held_out: int = HELD_OUT) -> Tasks:
    """The tasks of one split, by the name of the log that is learned from.

    Args:
        kind: of :func:`kind_of`.
        log: all users.
        split: its number, which seeds every draw.
        held_out: users who rated everything to hold out, where the protocol is ``complete``.

    Raises:
        DataError: the log has too few such users.
    """
    if kind == "complete":
        return {
            name: lambda name=name: _complete(log, split, held_out, name)  # type: ignore[misc]
            for name in ("partly", "complete")
        }
    return {"": lambda: (_rated if kind == "rated" else _taken)(log, split)}


def _rated_all(log: InteractionLog) -> BoolArray:
    return log.lengths == log.n_items


def _complete(log: InteractionLog, split: int, held_out: int, learned: str) -> Task:
    """Truth: everything that users rated who rated everything."""
    rng = np.random.default_rng([split, 21])
    whole = rng.permutation(np.flatnonzero(_rated_all(log)))
    if len(whole) < held_out + 2:
        raise DataError(f"{len(whole)} users rated everything: too few to hold out {held_out}")
    judged, others = whole[:held_out], whole[held_out:]
    known = others if learned == "complete" else np.flatnonzero(~_rated_all(log))
    known = rng.permutation(known)
    n_validation = max(1, round(ALIKE * len(known)))
    validation = log.select_users(np.sort(known[:n_validation]))
    train = log.select_users(np.sort(known[n_validation:]))
    liked = LikedRule(0.0)
    lesson = Lesson(train, validation, liked, ordered=False, seed=split)
    test = log.select_users(np.sort(judged))
    return Task(lesson, _readings(validation, liked, split), _readings(test, liked, split))


def _readings(log: InteractionLog, liked: LikedRule, split: int) -> dict[str, Question]:
    """Ten or fifty of each user's items, with their ratings or the likes alone; the rest judged."""
    ratings = ratings_of(log)
    users, told, judged = _drawn(log, HISTORY, split)
    asked: dict[str, Question] = {
        "ten ratings": _liking(log, users, told, [ratings[rows] for rows in told], judged, liked),
        "likes of ten": _likes_alone(log, users, told, judged, liked),
    }
    users, told, judged = _drawn(log, LONG_HISTORY, split)
    if users:
        asked["likes of fifty"] = _likes_alone(log, users, told, judged, liked)
    return asked


def _drawn(
    log: InteractionLog, count: int, split: int
) -> tuple[list[int], list[IntArray], list[IntArray]]:
    """The users who rated enough, ``count`` of each one's rows drawn at random, and the others."""
    rng = np.random.default_rng([split, 22])
    ratings = ratings_of(log)
    users, told, judged = [], [], []
    for user in np.flatnonzero(log.lengths >= count + FEWEST):
        rows = rng.permutation(np.arange(log.offsets[user], log.offsets[user + 1]))
        if _varies(ratings[rows[count:]]):
            users.append(int(user))
            told.append(rows[:count])
            judged.append(rows[count:])
    return users, told, judged


def _likes_alone(
    log: InteractionLog,
    users: Sequence[int],
    told: Sequence[IntArray],
    judged: Sequence[IntArray],
    liked: LikedRule,
) -> Liking:
    """What is asked where of the items drawn only the likes are told, without their ratings."""
    ratings = ratings_of(log)
    likes = [rows[liked(ratings[rows])] for rows in told]
    some = [place for place, rows in enumerate(likes) if len(rows)]
    return _liking(
        log,
        [users[place] for place in some],
        [likes[place] for place in some],
        [np.full(len(likes[place]), np.nan, dtype=np.float32) for place in some],
        [judged[place] for place in some],
        liked,
    )


def _liking(
    log: InteractionLog,
    users: Sequence[int],
    told: Sequence[IntArray],
    feedback: Feedback,
    judged: Sequence[IntArray],
    liked: LikedRule,
) -> Liking:
    ratings = ratings_of(log)
    bounds = [_bound(own, liked) for own in feedback]
    return Liking(
        user_ids=[log.user_ids[user] for user in users],
        histories=[log.items[rows] for rows in told],
        feedback=feedback,
        candidates=[log.items[rows] for rows in judged],
        ratings=[ratings[rows] for rows in judged],
        bounds=np.array(bounds, dtype=np.float64),
    )


def _bound(told: FloatArray, liked: LikedRule) -> float:
    return float(np.nanmean(told)) if liked.above is None else liked.above


def _varies(ratings: FloatArray) -> bool:
    return len(ratings) >= FEWEST and bool(ratings.min() < ratings.max())


def _rated(log: InteractionLog, split: int) -> Task:
    """Truth: how held-out users rated what they rated later."""
    parts, liked = split_by_user(log, split), LikedRule(None)
    lesson = Lesson(parts.train, parts.validation, liked, ordered=log.has_time, seed=split)

    def asked(held_out: InteractionLog) -> dict[str, Question]:
        return {"liking": _later_ratings(held_out, liked), "taking": _next_taken(held_out, split)}

    return Task(lesson, asked(parts.validation), asked(parts.test))


def _later_ratings(log: InteractionLog, liked: LikedRule) -> Liking:
    """A user's first half read with its ratings, the rest judged."""
    ratings = ratings_of(log)
    users, told, judged = [], [], []
    for user in range(log.n_users):
        rows = np.arange(log.offsets[user], log.offsets[user + 1])
        half = len(rows) // 2
        if half and _varies(ratings[rows[half:]]):
            users.append(user)
            told.append(rows[:half])
            judged.append(rows[half:])
    return _liking(log, users, told, [ratings[rows] for rows in told], judged, liked)


def _taken(log: InteractionLog, split: int) -> Task:
    """Truth: what held-out users took next."""
    parts = split_by_user(_often_taken(log), split)
    lesson = Lesson(parts.train, parts.validation, LikedRule(None), ordered=True, seed=split)
    mask_seen = masks_seen(parts.train)

    def asked(held_out: InteractionLog) -> dict[str, Question]:
        judged = _some_users(held_out, split)
        return {
            "taking": _next_taken(judged, split),
            "next item": NextItem(_later_steps(judged), mask_seen),
        }

    return Task(lesson, asked(parts.validation), asked(parts.test))


def _often_taken(log: InteractionLog) -> InteractionLog:
    """A log of very many items without the rare ones, and without users who took little else."""
    if log.n_items <= MOST_ITEMS:
        return log
    some = log.keep_items(np.flatnonzero(log.item_counts() >= OFTEN))
    return some.select_users(np.flatnonzero(some.lengths >= LONG))


def _some_users(log: InteractionLog, split: int) -> InteractionLog:
    """A seeded choice of the users with a later step, at most :data:`JUDGED`."""
    users = np.flatnonzero(log.lengths >= 2)
    if len(users) > JUDGED:
        rng = np.random.default_rng([split, 23])
        users = np.sort(rng.choice(users, JUDGED, replace=False))
    return log.select_users(users)


def _later_steps(log: InteractionLog) -> InteractionLog:
    """The log up to the last step judged; its held-out steps are those judged."""
    first = np.maximum(log.lengths // 2, 1)
    short = log.row_positions < (first + STEPS)[log.row_users]
    return log.with_first_target(first).keep(short)


def _next_taken(log: InteractionLog, split: int) -> Taking:
    """The steps of the later half: the item taken, and two that the user never saw.

    One is drawn as often as these held-out users took it, so that popularity itself is of no help.
    """
    rng = np.random.default_rng([split, 24])
    distinct = np.array([len(np.unique(own)) for own in log.sequences()])
    log = log.select_users(np.flatnonzero(distinct < log.n_items))  # others saw everything
    later = _later_steps(log)
    rows = np.flatnonzero(later.row_positions >= later.first_target[later.row_users])
    users = later.row_users[rows]
    known = np.array([log.user_index(name) for name in later.user_ids])[users]
    drawn = [Negatives(log, share).draw(known, rng) for share in (1.0, 0.0)]
    begins, ratings = later.offsets[:-1][users], ratings_of(later)
    return Taking(
        user_ids=[later.user_ids[int(user)] for user in users],
        histories=[later.items[begin:row] for begin, row in zip(begins, rows, strict=True)],
        feedback=[ratings[begin:row] for begin, row in zip(begins, rows, strict=True)],
        shown=np.stack([later.items[rows], *drawn], axis=1),
    )
