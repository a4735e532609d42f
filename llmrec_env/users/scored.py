"""``ScoredUser``: users who answer by where a recommender puts an item.

Any recommender can be asked whether a user would take an item: those that it puts first rather than
those that it puts last. Such users are simple, and their errors are others than an LE's, which is
what they are for: two judges of different kinds seldom flatter the same policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array, FloatArray, IntArray, chunks
from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.common.logistic import offset_of_mean, sigmoid
from llmrec_env.data.feedback import Source
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives, uniform_items
from llmrec_env.data.random_indexing import mean_directions, random_indexing
from llmrec_env.language.calibration import platt_slope
from llmrec_env.users.base import Feedback, Histories, HistoryUser, Response

STEPS = 3000
"""Steps of held-out users by which acceptance is calibrated, at most."""
ASKED = 256
"""Histories that are scored at once."""
Scores = Callable[[Histories, Feedback], FloatArray]
"""From N histories with feedback to scores of all items, float32 (N, n_items); more is better."""


class ScoredUser(HistoryUser):
    """Users who take what a recommender puts high.

    ``x`` is the log-odds of an item's place among all items, from 0 for the last to 1 for the
    first; those that the user took stand last. An item is taken with probability ``sigmoid(slope *
    x + offset)``; the slope is that of Platt's logistic fit on held-out users, of what they took
    next against popular items that they never took, and the offset gives uniformly shown items the
    mean ``accept_rate``. The liking is the same number, or, where the scores were learned from
    feedback, the place itself: about the share of the items that the user would like less.

    Args:
        scores: the recommender; it gets feedback only where ``feedback_source`` is given, else NaN.
        held_out: users from whom it did not learn, by whom acceptance is calibrated.
        users: whose initial histories start episodes; those held out where None.
        accept_rate: mean probability of taking a uniformly shown item, in (0, 1).
        feedback_source: the column of a log whose values the recommender reads.
        seed: of the draws of calibration.

    Raises:
        DataError: nobody held out took two items, or ``users`` speak of another catalogue.
        SimulatorError: ``accept_rate`` is out of range.
    """

    users: InteractionLog

    def __init__(
        self,
        scores: Scores,
        held_out: InteractionLog,
        users: InteractionLog | None = None,
        accept_rate: float = 0.1,
        feedback_source: Source | None = None,
        seed: int = 0,
    ) -> None:
        self.catalogue = held_out.catalogue
        self._set_users(held_out if users is None else users)
        self._scores, self._source = scores, feedback_source
        self._vectors = random_indexing(held_out)
        self.state_size = self._vectors.shape[1]
        self.slope, self._shown = self._learned(held_out, np.random.default_rng(seed))
        self._set_accept_rate(accept_rate)

    @property
    def feedback_source(self) -> Source | None:
        """The column in whose unit feedback is read."""
        return self._source

    @property
    def item_vectors(self) -> FloatArray:
        """Where items lie, by who took them: unit rows float32 (n_items, state_size)."""
        return self._vectors

    def encode(self, histories: Histories) -> FloatArray:
        """The mean direction of what they took, float32 (N, state_size)."""
        return mean_directions(self._vectors, histories)

    def answer(
        self, histories: Histories, actions: IntArray, feedback: Feedback | None = None
    ) -> Response:
        """How users with these histories answer one item each."""
        x = self._odds(histories, feedback)[np.arange(len(actions)), actions]
        chance = sigmoid(self.slope * x + self._offset).astype(np.float32)
        if self._source is None:
            return Response(chance, chance)
        return Response(sigmoid(x).astype(np.float32), chance)

    def _odds(self, histories: Histories, feedback: Feedback | None = None) -> Float64Array:
        """Log-odds of the places of all items, float64 (N, n_items)."""
        if feedback is None:
            feedback = [np.full(len(own), np.nan, dtype=np.float32) for own in histories]
        scores = np.array(self._scores(histories, feedback), dtype=np.float64)
        for row, history in zip(scores, histories, strict=True):
            row[history] = -np.inf
        places = (scores.argsort(axis=1).argsort(axis=1) + 0.5) / scores.shape[1]
        odds: Float64Array = np.log(places) - np.log1p(-places)
        return odds

    def _learned(self, log: InteractionLog, rng: np.random.Generator) -> tuple[float, Float64Array]:
        """The slope of taking, and log-odds of uniformly shown items, float64 (steps,)."""
        steps = np.flatnonzero(log.row_goes_on)
        if not len(steps):
            raise DataError("nobody held out took two items, by which taking could be calibrated")
        steps = np.sort(rng.permutation(steps)[:STEPS])
        popular = Negatives(log, popular_share=1.0, any_where_none=True).draw(log.row_users, rng)
        tried = np.stack([np.roll(log.items, -1), popular, uniform_items(log, log.row_users, rng)])
        taken, other, uniform = np.concatenate(
            [
                np.take_along_axis(self._odds(histories), tried[:, rows].T, axis=1)
                for rows, histories in _prefixes(log, steps)
            ]
        ).T
        return platt_slope(taken.astype(np.float32), other.astype(np.float32)), uniform

    def _set_accept_rate(self, accept_rate: float) -> None:
        if not 0.0 < accept_rate < 1.0:
            raise SimulatorError(f"accept_rate must lie between 0 and 1, got {accept_rate}")
        self.accept_rate = accept_rate
        self._offset = offset_of_mean(self.slope * self._shown, accept_rate)


def _prefixes(log: InteractionLog, steps: IntArray) -> Iterator[tuple[IntArray, list[Any]]]:
    """Rows of a log, some at a time, with what their users had taken up to each."""
    starts = log.offsets[:-1][log.row_users]
    for rows in chunks(steps, ASKED):
        yield rows, [log.items[starts[row] : row + 1] for row in rows]
