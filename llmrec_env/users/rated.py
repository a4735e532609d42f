"""``RatedUser``: people whose ratings of all items, or of randomly shown ones, are known.

Where people rated what they chose, their ratings say nothing of the rest. A few data sets know
better: Jester has people who rated every joke, KuaiRec people who watched nearly every video, Coat
and Yahoo R3 people who rated items drawn at random. Such ratings answer for them, with no model in
between, so they can say whether a simulator is right about real people.
"""

from __future__ import annotations

import numpy as np

from llmrec_env.common.arrays import FloatArray, IntArray, KeepsArrays, read_only
from llmrec_env.common.checks import check_number
from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.common.logistic import offset_of_mean, sigmoid
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.random_indexing import mean_directions, random_indexing
from llmrec_env.users.base import (
    Feedback,
    Histories,
    HistorySession,
    Response,
    Session,
    UserSimulator,
)

NEAR_ALL = 0.99
"""The share of the catalogue that a user has rated who counts as one who rated everything."""


class RatedUser(UserSimulator):
    """Users who answer by their own known ratings, whatever they took before.

    The **liking** of an item is the user's rating as the package puts feedback into [0, 1]
    (:mod:`llmrec_env.data.feedback`): about the share of their own ratings that lie below it. An
    item is **taken** with probability ``sigmoid(sharpness * z + offset)``, z the rating in standard
    deviations of the user's own; the offset gives the known ratings of all users the mean
    ``accept_rate``. That rule is ours: who rates does not say what they would have taken.

    An item that a user has not rated is **never shown** to them: environments count it as seen
    (:meth:`unknown_items`), so it is masked; shown nevertheless, it pays 0 and is not taken.

    Users are known by name: :meth:`open` needs ``users``, rows of ``self.users``. There is no
    action model. The state is the mean direction of the items that they took, of which
    :meth:`item_vectors` tell where they lie; wrap it in ``StatesFrom`` for that of a simulator.

    ```python
    ratings = llmrec_env.load("path/to/jester5k")
    users = RatedUser(ratings, who_rated_everything(ratings))
    ```

    Args:
        ratings: the ratings that answer, matched with ``users`` by the ids of users and items.
        users: from whose interactions initial histories come; None: those of ``ratings``.
        scale: how ratings become likings; None: what the ratings themselves say.
        accept_rate: mean probability of taking a rated item, in (0, 1).
        sharpness: by how much the log-odds of taking rise with a standard deviation, 0 or more.

    Raises:
        DataError: the ratings tell nothing, or there are none of one of the users.
        SimulatorError: ``accept_rate`` is out of range.
    """

    users: InteractionLog

    def __init__(
        self,
        ratings: InteractionLog,
        users: InteractionLog | None = None,
        scale: FeedbackScale | None = None,
        accept_rate: float = 0.1,
        sharpness: float = 2.0,
    ) -> None:
        self.sharpness = check_number("sharpness", sharpness, 0.0)
        users = ratings if users is None else users
        self.catalogue = users.catalogue
        self._vectors = read_only(random_indexing(users))
        self.state_size = self._vectors.shape[1]
        found = FeedbackScale.of(ratings) if scale is None else scale
        if found is None:
            raise DataError(
                "the log has no ratings, likes or play counts that differ; true users need some"
            )
        self._names = {name: row for row, name in enumerate(ratings.user_ids)}
        self._likings, self._deviations = _tables(ratings, users, found)
        self._set_users(users)
        self._set_accept_rate(accept_rate)

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> Session:
        """Begin to ask N users; ``users`` (rows of ``self.users``) says who they are.

        Raises:
            SimulatorError: nobody says who they are.
        """
        return _RatedSession(self, histories, self._rows_of(users, len(histories)))

    def unknown_items(self, user: int) -> IntArray:
        """The items of which nobody knows how a user (a row of ``self.users``) likes them."""
        return np.flatnonzero(np.isnan(self._likings[self._rows[user]]))

    @property
    def item_vectors(self) -> FloatArray:
        """Where items lie, by who took them: unit rows float32 (n_items, state_size)."""
        return self._vectors

    def _set_users(self, users: InteractionLog) -> None:
        rows = [self._names.get(name, -1) for name in users.user_ids]
        strangers = [name for name, row in zip(users.user_ids, rows, strict=True) if row < 0]
        if strangers:
            raise DataError(
                f"{len(strangers)} of {users.n_users} users have no known ratings (such as "
                f"{strangers[0]!r}): give the log of those who have"
            )
        super()._set_users(users)
        self._rows = np.array(rows, dtype=np.int64)

    def _set_accept_rate(self, accept_rate: float) -> None:
        if not 0.0 < accept_rate < 1.0:
            raise SimulatorError(f"accept_rate must lie between 0 and 1, got {accept_rate}")
        known = self._deviations[~np.isnan(self._deviations)].astype(np.float64)
        self.accept_rate = accept_rate
        self._offset = offset_of_mean(self.sharpness * known, accept_rate)

    def _rows_of(self, users: IntArray | None, count: int) -> IntArray:
        if users is None or len(users) != count:
            raise SimulatorError(
                "users whose ratings are known are known by name: open(histories, users) needs a "
                "row of .users for each history"
            )
        return self._rows[users]

    def _answer(self, rows: IntArray, items: IntArray) -> Response:
        liking, z = self._likings[rows, items], self._deviations[rows, items]
        known, nothing = ~np.isnan(liking), np.float32(0.0)
        chance = sigmoid(self.sharpness * z + self._offset).astype(np.float32)
        return Response(np.where(known, liking, nothing), np.where(known, chance, nothing))

    def _states(self, histories: Histories) -> FloatArray:
        return mean_directions(self._vectors, histories)


class _RatedSession(KeepsArrays, HistorySession):
    def __init__(self, simulator: RatedUser, histories: Histories, rows: IntArray) -> None:
        self._simulator = simulator
        self._rows = rows.copy()
        super().__init__(histories)

    def _encode(self) -> FloatArray:
        return self._simulator._states(self._histories)

    def _answer(self, actions: IntArray) -> Response:
        return self._simulator._answer(self._rows, actions)

    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        self._rows[rows] = self._simulator._rows_of(users, len(histories))
        return super().replace(rows, histories)


def who_rated_everything(ratings: InteractionLog, share: float = NEAR_ALL) -> InteractionLog:
    """The users of a log who rated all of its catalogue, or nearly: at least this share.

    Raises:
        DataError: nobody did.
    """
    pairs = np.unique(ratings.row_users * ratings.n_items + ratings.items)
    counts = np.bincount(pairs // ratings.n_items, minlength=ratings.n_users)
    complete = np.flatnonzero(counts >= share * ratings.n_items)
    if not len(complete):
        raise DataError(
            f"nobody rated {share:.0%} of the {ratings.n_items} items; the most that one user did "
            f"is {int(counts.max(initial=0))}"
        )
    return ratings.select_users(complete)


def _tables(
    ratings: InteractionLog, users: InteractionLog, scale: FeedbackScale
) -> tuple[FloatArray, FloatArray]:
    """Likings and z of all users of the ratings, float32 (n_users, n_items) each, NaN unknown.

    Items are those of the catalogue of ``users``; of two ratings of one item the last counts.
    """
    places = {name: place for place, name in enumerate(users.catalogue.ids)}
    columns = np.array([places.get(name, -1) for name in ratings.catalogue.ids], dtype=np.int64)
    items = columns[ratings.items]
    kept = items >= 0
    tables = []
    for values in (scale.likings(ratings), scale.within_users(ratings)):
        table = np.full((ratings.n_users, users.n_items), np.nan, dtype=np.float32)
        table[ratings.row_users[kept], items[kept]] = values[kept]
        tables.append(read_only(table))
    return tables[0], tables[1]
