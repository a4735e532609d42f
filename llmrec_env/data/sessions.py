"""How a log divides into sessions: by a column of it, or by the pauses between its times.

A session is a stretch of one user's interactions without a break. Where the log names sessions
(``session``), that counts. Otherwise a pause of more than :data:`PAUSE` ends one, as web analytics
count visits, if that divides the log into stretches at all: in a log of purchases or of films some
days apart, nearly every interaction would be a session of its own, and nothing ends there that
anybody could learn. Of a log that tells neither, nobody knows when its users left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed, shown
from llmrec_env.data.log import InteractionLog

Told = Literal["column", "times"]
"""What says where a session ends."""
Wanted = Literal["auto", "column", "times", "none"]
PAUSE = 30 * 60
"""Seconds without an interaction after which a new session begins."""
TOGETHER = 0.2
"""Share of the interactions with a next one that must have it within :data:`PAUSE`, so that times
divide a log into sessions."""
COARSE = 3600
"""Times that are nearly all whole multiples of it, such as dates, tell no pause."""
FINE = 0.05
"""Share of the times that must not be such multiples."""


@dataclass(frozen=True, eq=False)
class LogSessions:
    """The sessions of a log, row by row.

    Attributes:
        told: what says where they end.
        starts: bool (n_interactions,), true at the first interaction of each.
        ends: bool (n_interactions,), true at the last one.
        known: bool (n_interactions,), false at ends of which nobody knows whether the session went
            on: the log itself ends there.
    """

    told: Told
    starts: BoolArray
    ends: BoolArray
    known: BoolArray

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.starts.sum())

    @property
    def numbers(self) -> IntArray:
        """The session of each interaction, int64 (n_interactions,), from 0."""
        return np.cumsum(self.starts) - 1

    @property
    def places(self) -> IntArray:
        """How many interactions of the same session came before each, int64 (n_interactions,)."""
        rows = np.arange(len(self.starts))
        return rows - np.maximum.accumulate(np.where(self.starts, rows, 0))


def sessions_of(log: InteractionLog, wanted: Wanted = "auto") -> LogSessions | None:
    """The sessions of a log.

    Args:
        log: the interactions.
        wanted: what is to tell them; "auto" is the column where there is one, else the times where
            they divide the log. None are told with "none".

    Returns:
        None where nothing tells them.

    Raises:
        DataError: what is to tell them is not in the log; or there is no such way.
    """
    if wanted not in get_args(Wanted):
        raise DataError(f"sessions: expected {listed(get_args(Wanted))}; got {shown(wanted)}")
    has_column = "session" in log.feedback.columns
    if wanted == "none" or len(log) == 0:
        return None
    if wanted == "column" and not has_column:
        raise DataError(
            "sessions='column': this log has no column session; name it (--column session=NAME)"
        )
    if wanted == "times" and not log.has_time:
        raise DataError("sessions='times': this log has no time for every interaction")
    if has_column and wanted != "times":
        return _by_column(log)
    if wanted == "times" or _times_divide(log):
        return _by_times(log)
    return None


def _by_column(log: InteractionLog) -> LogSessions:
    _, names = np.unique(log.feedback["session"].to_numpy().astype(str), return_inverse=True)
    starts = _firsts(log)
    starts[1:] |= names[1:] != names[:-1]
    return _sessions("column", starts, np.ones(len(log), dtype=np.bool_))


def _by_times(log: InteractionLog) -> LogSessions:
    times = log.feedback["time"].to_numpy()
    starts = _firsts(log)
    starts[1:] |= np.diff(times) > PAUSE
    return _sessions("times", starts, times.max() - times > PAUSE)


def _sessions(told: Told, starts: BoolArray, later: BoolArray) -> LogSessions:
    """Sessions that begin at some rows; ``later`` is true where the log goes on long enough for
    the same user's next interaction to be in it."""
    ends = np.append(starts[1:], True)
    return LogSessions(told, starts, ends, ~ends | later)


def _firsts(log: InteractionLog) -> BoolArray:
    """True at each user's first interaction."""
    starts = np.zeros(len(log), dtype=np.bool_)
    starts[log.offsets[:-1][log.lengths > 0]] = True
    return starts


def _times_divide(log: InteractionLog) -> bool:
    """Whether times are fine enough to tell pauses, and interactions lie close together."""
    if not log.has_time or log.reading.order != "time":
        return False
    times = log.feedback["time"].to_numpy()
    if (times % COARSE != 0).mean() < FINE or times.max() - times.min() <= PAUSE:
        return False
    pauses = np.diff(times)[~_firsts(log)[1:]]
    return len(pauses) > 0 and bool((pauses <= PAUSE).mean() >= TOGETHER)
