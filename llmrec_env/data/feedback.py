"""Feedback: how much a user liked what they took, as the log tells it.

One door for ratings, likes and dislikes, play counts and kinds of events. A log's values are first
put on one scale, whatever their unit, and then compared within a user, because one user's 3 is
another's 5::

    v = (value - mean) / sd                          mean and sd of all training interactions
    m = sum(v) / (n + k),  s^2 = (sum((v - m)^2) + k) / (n + k)      over what is known of the user
    z = (v - m) / s,       y = Phi(z)                Phi: the normal distribution; y in (0, 1)

so that y is about the share of the user's own values that lie below this one, and a user of whom
little is known is taken for an average one (k = 2 values). Another rule from values to y can take
its place: :mod:`llmrec_env.data.feedback_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.settings_types import check_types
from llmrec_env.common.wording import listed, shown
from llmrec_env.data.events import event_strengths
from llmrec_env.data.feedback_rules import NORMAL, FeedbackRule
from llmrec_env.data.log import InteractionLog

Source = Literal["rating", "liked", "weight", "event"]
READ: tuple[Source, ...] = ("rating", "liked", "weight")
"""Columns that tell how much a user liked something; the first that a log has is read."""
SOURCES: tuple[Source, ...] = (*READ, "event")
"""The same with kinds of events, which are read where they are asked for: a purchase after ten
views says first of all that the eleventh row is a purchase."""
PRIOR = 2.0
"""Values of an average user that are added to those known of a user, k."""
CUT = 0.01
"""How far from 0 and 1 a liking stays where it becomes a z, which would be infinite."""


@dataclass(frozen=True)
class FeedbackScale:
    """How a log's feedback becomes numbers that can be compared.

    Attributes:
        source: the column that is read.
        mean: of the training log's values; of their logarithms where they are counts.
        sd: their standard deviation.
        per_user: whether a value is compared with the user's others.
        rule: how the values of a user become likings, where it is not the usual rule.

    Raises:
        SettingError: the source is unknown, or the standard deviation is not above 0.
    """

    source: Source = "rating"
    mean: float = 0.0
    sd: float = 1.0
    per_user: bool = True
    rule: FeedbackRule = field(default_factory=FeedbackRule)

    def __post_init__(self) -> None:
        check_types(self)
        if self.source not in SOURCES:
            raise SettingError(f"feedback must be one of {', '.join(SOURCES)}, got {self.source!r}")
        if not 0 < self.sd < np.inf or not np.isfinite(self.mean):
            raise SettingError(f"feedback needs a finite mean and an sd above 0, got {self}")

    @classmethod
    def of(
        cls, log: InteractionLog, source: Source | None = None, rule: FeedbackRule | None = None
    ) -> FeedbackScale | None:
        """The scale of a log; None where it tells no feedback, or everybody's is the same.

        Args:
            log: the training users.
            source: the column to read; None: the first of :data:`READ` that tells anything.
            rule: how the values of a user become likings; None for the usual one.

        Raises:
            DataError: there is no such column, or all its values are the same.
        """
        found = source_of(log) if source is None else source
        if found is None:
            return None
        if not _differs(log, found):
            told = [name for name in SOURCES if _differs(log, name)]
            raise DataError(
                f"feedback={found!r}: nothing in the log's column {found!r} differs, from which to "
                f"tell what is liked; it has {listed(told) if told else 'no feedback'} (--feedback)"
            )
        known = _column(log, found)
        known = known[~np.isnan(known)].astype(np.float64)
        rule = rule or FeedbackRule()
        return cls(found, float(known.mean()), float(known.std()), rule.per_user, rule)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FeedbackScale:
        """A scale from what ``dataclasses.asdict`` gave.

        Raises:
            SettingError: its rule is not registered.
        """
        rule = FeedbackRule(**values.get("rule", {}))
        return cls(**{**values, "rule": rule})

    def values(self, log: InteractionLog) -> FloatArray:
        """The value v of every interaction, float32 (n_interactions,), NaN where unknown."""
        return self._scaled(_column(log, self.source))

    def scaled(self, feedback: FloatArray) -> FloatArray:
        """Values v of feedback in the log's own unit, such as stars, float32 in and out.

        Raises:
            DataError: these are no numbers in a row, one is infinite, or a play count negative; NaN
                stands for unknown.
        """
        try:
            given = np.asarray(feedback, dtype=np.float32)
        except (TypeError, ValueError):
            given = np.empty((0, 0), dtype=np.float32)
        if given.ndim != 1:
            raise DataError(
                "feedback is an array of numbers for each history, one beside each item, NaN where "
                f"it is unknown; got {shown(feedback)}"
            )
        if np.isinf(given).any() or (self.source == "weight" and (given < 0).any()):
            raise DataError(
                f"feedback must be numbers in the unit of the log's {self.source}s, or NaN where "
                f"it is unknown; got {given[~np.isfinite(given) | (given < 0)][0]:g}"
            )
        return self._scaled(_counted(given) if self.source == "weight" else given)

    def _scaled(self, known: FloatArray) -> FloatArray:
        return ((known - self.mean) / self.sd).astype(np.float32)

    def within_users(self, log: InteractionLog) -> FloatArray:
        """z of every interaction, by all that the log knows of its user; NaN where unknown.

        By the usual rule as above, by another the z of which its liking is Phi(z).

        Raises:
            SettingError: the rule gives something else than likings.
        """
        if self.rule.name != NORMAL:
            return _normal_quantiles(self.rule.likings(told(log, self.source), log.row_users))
        values = self.values(log)
        if not self.per_user:
            return values
        mean, sd = user_moments(values, log.row_users, log.n_users)
        return ((values - mean[log.row_users]) / sd[log.row_users]).astype(np.float32)

    def likings(self, log: InteractionLog) -> FloatArray:
        """How much each interaction was liked, y in [0, 1], float32 (n,); NaN where unknown.

        Raises:
            SettingError: the rule gives something else.
        """
        if self.rule.name != NORMAL:
            return self.rule.likings(told(log, self.source), log.row_users)
        z = self.within_users(log).astype(np.float64)
        return np.array([0.5 * (1 + math.erf(own / math.sqrt(2))) for own in z], dtype=np.float32)


def source_of(log: InteractionLog) -> Source | None:
    """The column that tells how much users liked things; None where there is none that differs.

    Kinds of events are none of them: see :data:`SOURCES`.
    """
    return next((source for source in READ if _differs(log, source)), None)


def _differs(log: InteractionLog, source: Source) -> bool:
    known = _column(log, source)
    known = known[~np.isnan(known)]
    return bool(len(known)) and bool(known.min() < known.max())


def _normal_quantiles(likings: FloatArray) -> FloatArray:
    """z of likings y = Phi(z), those near 0 and 1 cut at :data:`CUT`."""
    distinct, places = np.unique(likings, return_inverse=True)
    normal = NormalDist()
    z = [normal.inv_cdf(min(max(float(y), CUT), 1 - CUT)) if y == y else y for y in distinct]
    return np.array(z, dtype=np.float32)[places]


def told(log: InteractionLog, source: Source | None) -> FloatArray:
    """The feedback of every interaction in its own unit, float32 (n,), NaN where unknown.

    That of an event is its reward (:func:`llmrec_env.data.events.event_strengths`).

    Args:
        log: whose interactions.
        source: the column; None where nobody reads any.
    """
    if source is None or source not in log.feedback.columns:
        return np.full(len(log), np.nan, dtype=np.float32)
    if source == "event":
        return event_strengths(log.feedback["event"], log.reading.event_rewards)
    return log.feedback[source].fill_null(np.nan).to_numpy().astype(np.float32)


@dataclass(frozen=True)
class FeedbackRange:
    """The ends of a log's feedback, for those to whom it is told in words.

    Attributes:
        low: the lowest value; 0 where the log tells none, whose feedback is then in [0, 1].
        high: the highest; 1 likewise.
    """

    low: float = 0.0
    high: float = 1.0

    @classmethod
    def of(cls, log: InteractionLog) -> FeedbackRange:
        """The ends of a log's feedback."""
        source = source_of(log)
        if source is None:
            return cls()
        known = told(log, source)
        return cls(float(np.nanmin(known)), float(np.nanmax(known)))

    def shares(self, feedback: FloatArray) -> FloatArray:
        """How far from low to high each value lies, float32 in [0, 1]; NaN where unknown."""
        values = np.asarray(feedback, dtype=np.float32)
        return np.clip((values - self.low) / (self.high - self.low), 0, 1).astype(np.float32)


def user_moments(
    values: FloatArray, users: IntArray, n_users: int
) -> tuple[FloatArray, FloatArray]:
    """m and s of each user, float32 (n_users,), from values (n,) and whose they are, int64 (n,)."""
    known = ~np.isnan(values)
    owners, given = users[known], values[known].astype(np.float64)
    count = np.bincount(owners, minlength=n_users)
    mean = np.bincount(owners, given, n_users) / (count + PRIOR)
    apart = np.bincount(owners, (given - mean[owners]) ** 2, n_users)
    sd = np.sqrt((apart + PRIOR) / (count + PRIOR))
    return mean.astype(np.float32), sd.astype(np.float32)


def _column(log: InteractionLog, source: Source) -> FloatArray:
    """A column in its own unit, counts as their logarithms, float32 (n,), NaN where unknown."""
    known = told(log, source)
    return _counted(known) if source == "weight" else known


def _counted(weights: FloatArray) -> FloatArray:
    return np.log1p(np.maximum(weights, 0)).astype(np.float32)
