"""``UserEnsemble``: several simulators of one catalogue that answer side by side.

Where they agree their mean can be believed, where not the simulated reward is a guess. An LE with
members (:mod:`llmrec_env.language.member_learning`, ``llmrec ensemble``) is an ensemble by itself
and reads once for all of them; this class is for simulators that share nothing, so that a step
costs as much as all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.top_k import Pairs
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.feedback import Source
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.sessions import Wanted
from llmrec_env.data.visits import Visits
from llmrec_env.users.base import Feedback, Histories, Response, Session, UserSimulator


class UserEnsemble(UserSimulator):
    """Users who answer as several simulators do in the mean.

    All of them follow the same episodes: what is taken, by the mean of their probabilities, joins
    the history in each. The first one is who is looked at: its are the states, the item vectors and
    the action model.

    Args:
        simulators: at least two of one catalogue, of any kinds; one that is an ensemble itself
            counts as one.
        users: whose initial histories start episodes; the first one's where None.

    Raises:
        SimulatorError: there are fewer than two, or one cannot do what the first one does.
        DataError: they are of several catalogues.
    """

    def __init__(
        self, simulators: Sequence[UserSimulator], users: InteractionLog | None = None
    ) -> None:
        wrong = [type(own).__name__ for own in simulators if not isinstance(own, UserSimulator)]
        if wrong or len(simulators) < 2:
            what = f"got {wrong[0]}" if wrong else f"got {len(simulators)}"
            raise SimulatorError(f"an ensemble is made of at least two UserSimulators, {what}")
        first = simulators[0]
        for other in simulators[1:]:
            check_same_catalogue(first.catalogue, other.catalogue, "a member of the ensemble")
            if other.remember_skips != first.remember_skips:
                raise SimulatorError(
                    "some members of the ensemble remember skips and some do not; give each "
                    "with_remember_skips(True), or none"
                )
        self.users = first.users if users is None else users
        if self.users is not None:
            check_same_catalogue(first.catalogue, self.users.catalogue, "users, for this ensemble")
            simulators = [own.with_users(self.users) for own in simulators]
        self.simulators = tuple(simulators)
        self.catalogue = first.catalogue
        self.state_size = first.state_size

    @property
    def n_members(self) -> int:
        """How many simulators answer."""
        return len(self.simulators)

    @property
    def _first(self) -> UserSimulator:
        return self.simulators[0]

    @property
    def has_action_model(self) -> bool:
        """Whether the first one names items."""
        return self._first.has_action_model

    @property
    def remember_skips(self) -> bool:
        """Whether they remember what is skipped."""
        return self._first.remember_skips

    @property
    def feedback_source(self) -> Source | None:
        """The column of a log in whose unit the first one that reads feedback does so."""
        return next((own.feedback_source for own in self.simulators if own.feedback_source), None)

    @property
    def item_vectors(self) -> FloatArray:
        """Where items lie for the first one."""
        return self._first.item_vectors

    @property
    def tells_leaving(self) -> Literal["taken", "shown"] | None:
        """After which items all of them say how probably a user leaves; None where one does not."""
        each = {own.tells_leaving for own in self.simulators}
        return each.pop() if len(each) == 1 else None

    @property
    def sessions(self) -> Wanted:
        """As the first one tells them."""
        return self._first.sessions

    def leave_chance(self, session: Session, visits: Visits) -> Float64Array:
        """The mean of what they say, float64 (N,)."""
        assert isinstance(session, _SideBySide)
        pairs = zip(self.simulators, session.sessions, strict=True)
        found: Float64Array = np.mean([own.leave_chance(its, visits) for own, its in pairs], axis=0)
        return found

    def unknown_items(self, user: int) -> IntArray:
        """Items about which one of them cannot answer, int64 (M,), each once."""
        return np.unique(np.concatenate([own.unknown_items(user) for own in self.simulators]))

    def _with(self, change: Callable[[UserSimulator], UserSimulator]) -> UserEnsemble:
        return UserEnsemble([change(own) for own in self.simulators], self.users)

    def with_users(self, users: InteractionLog) -> UserEnsemble:
        """The same simulators, whose episodes start from the users of another log."""
        return UserEnsemble(self.simulators, users)

    def with_accept_rate(self, accept_rate: float) -> UserEnsemble:
        """The same, each taking a uniformly shown item with this mean probability."""
        return self._with(lambda own: own.with_accept_rate(accept_rate))

    def with_remember_skips(self, remember_skips: bool) -> UserEnsemble:
        """The same, all of whom remember what they skip, or none."""
        return self._with(lambda own: own.with_remember_skips(remember_skips))

    def preferences(self, states: FloatArray) -> FloatArray:
        """The first one's logits of all items, float32 (N, n_items)."""
        return self._first.preferences(states)

    def best_items(self, states: FloatArray, k: int, exclude: Pairs) -> tuple[IntArray, FloatArray]:
        """The items that the first one ranks highest."""
        return self._first.best_items(states, k, exclude)

    def attraction(self, session: Session, items: IntArray) -> FloatArray:
        """How much items draw the eyes of the first one's users, float32 (N, K)."""
        assert isinstance(session, _SideBySide)
        return self._first.attraction(session.sessions[0], items)

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> Session:
        """Begin to ask N users in every simulator."""
        return _SideBySide(self, histories, users, feedback)

    def answers(
        self, histories: Histories, candidates: IntArray, feedback: Feedback | None = None
    ) -> Response:
        """The mean answers float32 (N, C) about candidates (N, C), in each one's own way."""
        each = [own.answers(histories, candidates, **own.told(feedback)) for own in self.simulators]
        return Response(*(np.mean(part, axis=0) for part in zip(*each, strict=True)))


class _SideBySide(Session):
    def __init__(
        self,
        ensemble: UserEnsemble,
        histories: Histories,
        users: IntArray | None,
        feedback: Feedback | None,
    ) -> None:
        self._simulators = ensemble.simulators
        self.sessions = [
            own.open(histories, users, **own.told(feedback)) for own in ensemble.simulators
        ]
        self.states = self.sessions[0].states

    def respond(self, actions: IntArray) -> Response:
        each = [session.respond(actions) for session in self.sessions]
        self.members = Response(*(np.stack(part) for part in zip(*each, strict=True)))
        return Response(*(part.mean(axis=0) for part in self.members))

    def commit(self, accepted: BoolArray, skipped: BoolArray | None = None) -> FloatArray:
        self._each(lambda own, session: session.commit(accepted, **own.told_skips(skipped)))
        return self.states

    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        self._each(
            lambda own, session: session.replace(rows, histories, users, **own.told(feedback))
        )
        return self.states

    def _each(self, do: Callable[[UserSimulator, Session], Any]) -> None:
        for own, session in zip(self._simulators, self.sessions, strict=True):
            do(own, session)
        self.states = self.sessions[0].states
