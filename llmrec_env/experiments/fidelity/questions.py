"""What held-out users are asked, and how an answer is measured, user by user.

A measured question is a table with one row a user: ``user_id``, ``steps`` (what a mean over users
weighs them by) and a column for each metric.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray, chunks
from llmrec_env.data.log import InteractionLog
from llmrec_env.evaluation.fidelity.orders import agreement, area_under_curve
from llmrec_env.evaluation.ranking import step_ranks, user_metrics
from llmrec_env.experiments.fidelity.lesson import Feedback
from llmrec_env.experiments.fidelity.rows.base import Row
from llmrec_env.users.base import Histories

if TYPE_CHECKING:
    from typing import Self

ASKED = 128
"""Histories asked about at once."""


class Question(ABC):
    """A question to held-out users whose answers are known."""

    metrics: ClassVar[tuple[str, ...]]
    """What is measured; the first chooses settings on validation users."""

    @abstractmethod
    def suits(self, row: Row) -> bool:
        """Whether a row can answer it."""

    @abstractmethod
    def measure(self, row: Row) -> pl.DataFrame:
        """How well a fitted row answers it, user by user."""

    @property
    @abstractmethod
    def users(self) -> set[str]:
        """Whom it asks."""

    @abstractmethod
    def of_users(self, users: Collection[str]) -> Self:
        """The same question to some of them."""

    @abstractmethod
    def of_candidates(self, most: int | None, rng: np.random.Generator) -> Self:
        """The same question about so many items of each user at most, drawn at random."""


@dataclass(frozen=True, eq=False)
class Liking(Question):
    """In which order does a user like items whose ratings by them are known?

    Attributes:
        user_ids: N users.
        histories: what is read of each.
        feedback: the ratings beside it; NaN where they are not told.
        candidates: the items judged, of any number for each user.
        ratings: how the user rated those.
        bounds: float64 (N,), a rating above which is a like; NaN where none is told.
    """

    metrics: ClassVar[tuple[str, ...]] = ("Spearman", "AUC")
    user_ids: Sequence[str]
    histories: Histories
    feedback: Feedback
    candidates: Sequence[IntArray]
    ratings: Sequence[FloatArray]
    bounds: Float64Array

    def suits(self, row: Row) -> bool:
        """Whether it answers how much something is liked."""
        return row.likes

    @property
    def users(self) -> set[str]:
        """Whom it asks."""
        return set(self.user_ids)

    def of_users(self, users: Collection[str]) -> Self:
        """Some users' histories and candidates."""
        places = [place for place, user in enumerate(self.user_ids) if user in users]
        return replace(
            self,
            **_of_places(self, places),
            candidates=[self.candidates[place] for place in places],
            ratings=[self.ratings[place] for place in places],
            bounds=self.bounds[places],
        )

    def of_candidates(self, most: int | None, rng: np.random.Generator) -> Self:
        """Some of each user's candidates, of which not all were rated the same."""
        rows = [_varied(own, most, rng) for own in self.ratings]
        return replace(
            self,
            candidates=[own[some] for own, some in zip(self.candidates, rows, strict=True)],
            ratings=[own[some] for own, some in zip(self.ratings, rows, strict=True)],
        )

    def measure(self, row: Row) -> pl.DataFrame:
        """Spearman and AUC of each user; a constant answer has no order: 0 and one half."""
        answers = self._answers(row)
        orders = [agreement(own, true) for own, true in zip(answers, self.ratings, strict=True)]
        areas = [
            area_under_curve(own, true > bound)
            for own, true, bound in zip(answers, self.ratings, self.bounds, strict=True)
        ]
        return pl.DataFrame(
            {
                "user_id": list(self.user_ids),
                "steps": np.ones(len(answers), dtype=np.int64),
                "Spearman": np.array(orders),
                "AUC": pl.Series(areas, dtype=pl.Float64),
            }
        )

    def _answers(self, row: Row) -> list[FloatArray]:
        found: dict[int, FloatArray] = {}
        by_size = np.argsort([len(own) for own in self.candidates], kind="stable")
        for users in chunks(by_size, ASKED):
            widest = max(len(self.candidates[user]) for user in users)
            shown = np.stack([np.resize(self.candidates[user], widest) for user in users])
            histories = [self.histories[user] for user in users]
            scores = row.liking(histories, [self.feedback[user] for user in users], shown)
            for user, own in zip(users, scores, strict=True):
                found[int(user)] = own[: len(self.candidates[user])]
        return [found[user] for user in range(len(by_size))]


@dataclass(frozen=True, eq=False)
class Taking(Question):
    """Is the item that a user took next put above one that they never saw?

    Attributes:
        user_ids: the user of each step.
        histories: what came before it.
        feedback: the ratings beside it.
        shown: int64 (n_steps, 3): the item taken, one drawn by popularity, one drawn uniformly.
    """

    metrics: ClassVar[tuple[str, ...]] = ("accuracy, popular", "accuracy, uniform")
    user_ids: Sequence[str]
    histories: Histories
    feedback: Feedback
    shown: IntArray

    def suits(self, row: Row) -> bool:
        """Whether it answers what is taken."""
        return row.takes

    @property
    def users(self) -> set[str]:
        """Whom it asks."""
        return set(self.user_ids)

    def of_users(self, users: Collection[str]) -> Self:
        """All steps of some users."""
        return self._of_steps([step for step, user in enumerate(self.user_ids) if user in users])

    def of_candidates(self, most: int | None, rng: np.random.Generator) -> Self:
        """Some of each user's steps, at which three items each are judged; one at least."""
        steps = None if most is None else max(1, most // self.shown.shape[1])
        whose = np.asarray(self.user_ids)
        kept = [
            rng.permutation(np.flatnonzero(whose == user))[:steps] for user in sorted(self.users)
        ]
        return self._of_steps(np.sort(np.concatenate(kept)).tolist())

    def _of_steps(self, steps: Sequence[int]) -> Self:
        return replace(self, **_of_places(self, steps), shown=self.shown[np.array(steps, int)])

    def measure(self, row: Row) -> pl.DataFrame:
        """Share of each user's steps at which the item taken is put above; ties count half."""
        scores = np.concatenate(
            [
                row.acceptance(
                    [self.histories[step] for step in steps],
                    [self.feedback[step] for step in steps],
                    self.shown[steps],
                )
                for steps in chunks(np.arange(len(self.shown)), ASKED)
            ]
        ).astype(np.float64)
        wins = (scores[:, :1] > scores[:, 1:]) + 0.5 * (scores[:, :1] == scores[:, 1:])
        table = pl.DataFrame({"user_id": list(self.user_ids)})
        columns = {name: wins[:, place] for place, name in enumerate(self.metrics)}
        return (
            table.with_columns(**{name: pl.Series(own) for name, own in columns.items()})
            .group_by("user_id", maintain_order=True)
            .agg(pl.len().cast(pl.Int64).alias("steps"), *(pl.col(m).mean() for m in self.metrics))
        )


@dataclass(frozen=True, eq=False)
class NextItem(Question):
    """How high does the next item stand among all?

    Attributes:
        log: held-out users, with the steps that count from ``first_target`` on.
        mask_seen: whether items of the history are left out.
    """

    metrics: ClassVar[tuple[str, ...]] = ("NDCG@10", "HR@10")
    log: InteractionLog
    mask_seen: bool

    def suits(self, row: Row) -> bool:
        """Whether it orders a whole catalogue by what is taken."""
        return row.takes and row.ranks

    @property
    def users(self) -> set[str]:
        """Whom it asks."""
        return set(self.log.user_ids)

    def of_users(self, users: Collection[str]) -> Self:
        """All steps of some users."""
        asked = [place for place, user in enumerate(self.log.user_ids) if user in users]
        return replace(self, log=self.log.select_users(asked))

    def of_candidates(self, most: int | None, rng: np.random.Generator) -> Self:
        """The same: it is the whole catalogue that is put in an order."""
        return self

    def measure(self, row: Row) -> pl.DataFrame:
        """NDCG@10 and HR@10, means over each user's steps."""
        ranks = step_ranks(row, self.log, self.mask_seen)
        return user_metrics(self.log, ranks).with_columns(pl.col("steps").cast(pl.Int64))


def _of_places(question: Liking | Taking, places: Sequence[int]) -> dict[str, Any]:
    """What is read of some of a question's users, or at some of its steps."""
    return {
        "user_ids": [question.user_ids[place] for place in places],
        "histories": [question.histories[place] for place in places],
        "feedback": [question.feedback[place] for place in places],
    }


def _varied(ratings: FloatArray, most: int | None, rng: np.random.Generator) -> IntArray:
    """So many places at most, drawn at random; one of another rating is the last where needed."""
    order = rng.permutation(len(ratings))
    some = order[:most]
    others = order[ratings[order] != ratings[some[0]]]
    if len(others) and others[0] not in some:
        some[-1] = others[0]
    return some
