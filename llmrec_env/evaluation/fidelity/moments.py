"""``Moments``: held-out users just before they take something, and what they are asked then.

At each moment the item that the user took next stands beside items that they never took (drawn
uniformly, by popularity, and from the same category), items as somebody might have shown them
(drawn uniformly and by popularity), and what they were shown and left, where the log tells that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray, chunks
from llmrec_env.common.errors import DataError
from llmrec_env.common.progress import track
from llmrec_env.data.feedback import Source, told
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.repeats import masks_seen
from llmrec_env.evaluation.fidelity.drawing import (
    EXPOSED,
    Seen,
    exposed,
    moments_of,
    never_taken,
    same_category,
    skipped_at,
)
from llmrec_env.users.base import Feedback, Histories, Response, UserSimulator

UNIFORM, POPULAR, CATEGORY = "uniform", "popular", "same category"
NEGATIVES = (UNIFORM, POPULAR, CATEGORY)
"""Kinds of items that a user never took, one at each moment."""
EXPOSURES = (UNIFORM, POPULAR)
"""Ways in which somebody might have shown items."""
TAKEN = 0
"""The column of the item taken."""
FIRST_EXPOSED = 1 + len(NEGATIVES)
FIRST_SKIPPED = FIRST_EXPOSED + len(EXPOSURES) * EXPOSED
ASKED = 128
"""Histories asked about at once."""


class Baseline(Protocol):
    """What stands beside a simulator: it scores candidates for histories, in any unit."""

    @property
    def likes(self) -> bool:
        """Whether it answers how much something is liked."""
        ...

    @property
    def takes(self) -> bool:
        """Whether it answers what is taken."""
        ...

    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """How much candidates int64 (N, C) would be liked, float32 (N, C)."""
        ...

    def acceptance(
        self, histories: Histories, feedback: Feedback, candidates: IntArray
    ) -> FloatArray:
        """How likely they are to be taken, float32 (N, C)."""
        ...


class PopularityBaseline:
    """How often a log has each item; it knows nobody."""

    likes = takes = True

    def __init__(self, train: InteractionLog) -> None:
        self._counts = train.item_counts().astype(np.float32)

    def liking(self, histories: Histories, feedback: Feedback, candidates: IntArray) -> FloatArray:
        """The counts."""
        return self._counts[candidates]

    acceptance = liking


@dataclass(frozen=True, eq=False)
class Moments:
    """Some moments of held-out users.

    Attributes:
        log: the held-out users.
        users: int64 (n,), whose moment it is, a row of the log.
        before: int64 (n,), how many items the user took before it.
        candidates: int64 (n, C): the item taken next, an item of each of :data:`NEGATIVES`,
            :data:`EXPOSED` of each of :data:`EXPOSURES`, and :data:`SKIPPED` that were shown and
            left; -1 where there is none.
        skips: float64 (n,), for how many skips each skipped item stands.
        fresh: bool (n,), whether the item taken was new to the user; all where things are taken
            again and again, so that seen items are shown too.
    """

    log: InteractionLog
    users: IntArray
    before: IntArray
    candidates: IntArray
    skips: Float64Array
    fresh: BoolArray

    @classmethod
    def of(cls, train: InteractionLog, held_out: InteractionLog, seed: int) -> Moments:
        """Moments drawn at random: :data:`PER_USER` of a user, of :data:`USERS` users at most.

        Args:
            train: with the held-out log it says what is popular.
            held_out: whose moments.
            seed: of every draw.

        Raises:
            DataError: nobody took anything that could be asked about.
        """
        rng = np.random.default_rng([seed, 31])
        users, before = moments_of(held_out, rng)
        if not len(users):
            raise DataError(
                "no held-out user took an item after another one: there is nothing to ask about"
            )
        rows = held_out.offsets[:-1][users] + before
        goes_on = before < held_out.lengths[users]
        taken = np.where(goes_on, held_out.items[np.minimum(rows, len(held_out) - 1)], -1)
        seen = Seen(held_out)
        new_only = masks_seen(train)
        counts = train.item_counts() + held_out.item_counts()
        drawn = [
            never_taken(held_out, users, 0.0, seen, rng),
            never_taken(held_out, users, 1.0, seen, rng),
            same_category(held_out, users, taken, seen, rng),
        ]
        for weights in (None, counts):
            shown = exposed(users, before, weights, held_out.n_items, seen, new_only, rng)
            drawn.append(shown)
        skipped, stands_for = skipped_at(held_out, users, before, rng)
        fresh = ~seen.before(users, taken, before) if new_only else np.ones(len(users), dtype=bool)
        return cls(
            held_out,
            users,
            before,
            np.column_stack([taken, *drawn, skipped]),
            stands_for,
            fresh & goes_on,
        )

    def __len__(self) -> int:
        return len(self.users)

    @property
    def goes_on(self) -> BoolArray:
        """Whether the user took something next, bool (n,)."""
        return self.candidates[:, TAKEN] >= 0

    @cached_property
    def histories(self) -> list[IntArray]:
        """What each user took before."""
        begins = self.log.offsets[:-1][self.users]
        return [
            self.log.items[begin : begin + length]
            for begin, length in zip(begins, self.before, strict=True)
        ]

    def feedback(self, source: Source | None) -> list[FloatArray]:
        """How each item before was liked, in the unit of a column; NaN where unknown."""
        known, begins = told(self.log, source), self.log.offsets[:-1][self.users]
        return [
            known[begin : begin + length] for begin, length in zip(begins, self.before, strict=True)
        ]

    def asked(self, simulator: UserSimulator) -> FloatArray:
        """A simulator's chances of taking each candidate, float32 (n, C)."""
        return answers(
            simulator.with_users(self.log),
            self.histories,
            self.users,
            self.feedback(simulator.feedback_source),
            np.maximum(self.candidates, 0),
        ).accept_probability

    def scored(self, baseline: Baseline) -> FloatArray:
        """A baseline's scores of the first :data:`FIRST_EXPOSED` columns, float32 (n, 4)."""
        shown = np.maximum(self.candidates[:, :FIRST_EXPOSED], 0)
        feedback = self.feedback("rating")
        parts = [
            baseline.acceptance(
                [self.histories[row] for row in rows], [feedback[row] for row in rows], shown[rows]
            )
            for rows in chunks(np.arange(len(self)), ASKED)
        ]
        return np.concatenate(parts)


def answers(
    simulator: UserSimulator,
    histories: Histories,
    users: IntArray,
    feedback: Feedback,
    candidates: IntArray,
) -> Response:
    """How users answer several candidates each, who they are being told; nothing is taken.

    Args:
        simulator: with the log of the users.
        histories: n of them.
        users: int64 (n,), rows of ``simulator.users``.
        feedback: beside the histories.
        candidates: int64 (n, C).

    Returns:
        Rewards and accept probabilities, float32 (n, C) each.
    """
    rewards = np.empty(candidates.shape, dtype=np.float32)
    chances = np.empty(candidates.shape, dtype=np.float32)
    by_length = np.argsort([len(history) for history in histories], kind="stable")
    for rows in track(chunks(by_length, ASKED), "ask the simulated users"):
        session = simulator.open(
            [histories[row] for row in rows],
            users[rows],
            **simulator.told([feedback[row] for row in rows]),
        )
        for column in range(candidates.shape[1]):
            answer = session.respond(candidates[rows, column])
            rewards[rows, column], chances[rows, column] = answer
    return Response(rewards, chances)
