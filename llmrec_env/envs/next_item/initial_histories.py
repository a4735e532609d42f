"""``InitialHistories``: the users from whom episodes start, and what each took before."""

from __future__ import annotations

from typing import Any

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray, read_only
from llmrec_env.common.errors import DataError
from llmrec_env.data.feedback import Source, told
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.sessions import Wanted, sessions_of

MIN_INITIAL_ITEMS = 3


class InitialHistories:
    """The users from whom episodes start and their initial histories. Immutable.

    An initial history is the first half of the user's sequence, at least three items; a user is
    eligible when at least one item remains after it.

    Args:
        log: of the users.
        source: the column that tells how the items were liked; None where nobody reads that.

    Raises:
        DataError: no user is eligible.
    """

    def __init__(self, log: InteractionLog, source: Source | None = None) -> None:
        self.log = log
        self._feedback = read_only(told(log, source))
        self.ids = read_only(np.array(log.user_ids.to_list(), dtype=object))
        self.cuts = read_only(np.maximum(log.lengths // 2, MIN_INITIAL_ITEMS))
        self.eligible = read_only(np.flatnonzero(log.lengths > self.cuts))
        if len(self.eligible) == 0:
            raise DataError(
                f"none of the {log.n_users} users can start an episode: one needs at least "
                f"{MIN_INITIAL_ITEMS + 1} interactions"
            )

    def __deepcopy__(self, memo: dict[int, Any]) -> InitialHistories:
        return self

    def draw(self, generator: np.random.Generator) -> int:
        """The index of an eligible user, drawn uniformly."""
        return int(self.eligible[generator.integers(len(self.eligible))])

    def find(self, user_id: str) -> int:
        """The index of a user.

        Raises:
            DataError: there is no such user, or its sequence is too short.
        """
        found = np.flatnonzero(self.ids == str(user_id))  # polars would wait in a forked child
        if not len(found):
            some = ", ".join(self.ids[:3])
            raise DataError(
                f"user {user_id!r} is not among the {self.log.n_users} held-out users who start "
                f"episodes ({some}, …): name one of them; in Python users=log starts from others"
            )
        user = int(found[0])
        if self.log.lengths[user] <= self.cuts[user]:
            raise DataError(
                f"user {user_id!r} has {self.log.lengths[user]} interactions; "
                f"an episode needs at least {MIN_INITIAL_ITEMS + 1}"
            )
        return user

    def history(self, user: int) -> IntArray:
        """The initial history of a user, int64, oldest first."""
        return self.log.sequence(user)[: self.cuts[user]]

    def taken_in_session(self, told: Wanted) -> IntArray:
        """How many of the last items of each initial history belong to the session that goes on
        after it, int64 (n_users,); 0 where a new one begins, or the log does not tell.

        Args:
            told: what tells its sessions.
        """
        found = np.zeros(self.log.n_users, dtype=np.int64)
        columns = {"column": "session" in self.log.feedback.columns, "times": self.log.has_time}
        sessions = sessions_of(self.log, told) if columns.get(told, True) else None
        if sessions is not None:
            first = self.log.offsets[:-1][self.eligible] + self.cuts[self.eligible]
            found[self.eligible] = np.minimum(sessions.places[first], self.cuts[self.eligible])
        return found

    def feedback(self, user: int) -> FloatArray:
        """How each item of it was liked, float32, in the unit of the log; NaN where unknown."""
        first = self.log.offsets[user]
        return self._feedback[first : first + self.cuts[user]]
