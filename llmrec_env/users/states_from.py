"""``StatesFrom``: a simulator whose states come from another simulator than its answers.

An agent that learned on the states of a simulated user can only act where it sees such states. To
judge it among other users, the true ones of the generated world for one, these answer while the
simulator it learned on follows their histories and says what it makes of them.
"""

from __future__ import annotations

from typing import Literal

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.top_k import Pairs
from llmrec_env.data.feedback import Source
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.sessions import Wanted
from llmrec_env.data.visits import Visits
from llmrec_env.users.base import Feedback, Histories, Response, Session, UserSimulator


class StatesFrom(UserSimulator):
    """``answering`` decides liking and taking; states are what ``observer`` makes of the histories.

    Args:
        answering: who answers; its users start the episodes.
        observer: whose states are emitted.

    Raises:
        SimulatorError: the two know different catalogues.
    """

    def __init__(self, answering: UserSimulator, observer: UserSimulator) -> None:
        if answering.catalogue.ids != observer.catalogue.ids:
            raise SimulatorError(
                f"the answering users know {answering.n_items} items and the observer "
                f"{observer.n_items}: both must share one catalogue, in one order"
            )
        self.answering = answering
        self.observer = observer
        self.catalogue = answering.catalogue
        self.state_size = observer.state_size
        self.users = answering.users

    @property
    def item_vectors(self) -> FloatArray:
        """Where items lie for the observer."""
        return self.observer.item_vectors

    @property
    def feedback_source(self) -> Source | None:
        """What those who answer read; where they read none, what the observer reads."""
        return self.answering.feedback_source or self.observer.feedback_source

    @property
    def n_members(self) -> int:
        """How many of those who answer do so side by side."""
        return self.answering.n_members

    @property
    def has_action_model(self) -> bool:
        """Whether the observer names items."""
        return self.observer.has_action_model

    @property
    def remember_skips(self) -> bool:
        """Whether those who answer, or the observer, do."""
        return self.answering.remember_skips or self.observer.remember_skips

    def unknown_items(self, user: int) -> IntArray:
        """Items about which those who answer cannot."""
        return self.answering.unknown_items(user)

    @property
    def tells_leaving(self) -> Literal["taken", "shown"] | None:
        """What those who answer say of it."""
        return self.answering.tells_leaving

    @property
    def sessions(self) -> Wanted:
        """As those who answer tell them."""
        return self.answering.sessions

    @property
    def visit_vectors(self) -> FloatArray:
        """Where items lie for those who answer."""
        return self.answering.visit_vectors

    def leave_chance(self, session: Session, visits: Visits) -> Float64Array:
        """When those who answer leave."""
        assert isinstance(session, StatesFromSession)
        return self.answering.leave_chance(session.answering, visits)

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> Session:
        """Begin to ask N users, and to observe them."""
        return StatesFromSession(self, histories, users, feedback)

    def with_users(self, users: InteractionLog) -> StatesFrom:
        """The same, with episodes that start from the users of another log."""
        return StatesFrom(self.answering.with_users(users), self.observer)

    def with_accept_rate(self, accept_rate: float) -> StatesFrom:
        """The same, where uniformly shown items are taken with this mean probability."""
        return StatesFrom(self.answering.with_accept_rate(accept_rate), self.observer)

    def with_remember_skips(self, remember_skips: bool) -> StatesFrom:
        """The same, where those who answer remember skips; the observer stays as it is."""
        answering = self.answering.with_remember_skips(remember_skips)
        return StatesFrom(answering, self.observer)

    def preferences(self, states: FloatArray) -> FloatArray:
        """The observer's action model: float32 logits (N, n_items)."""
        return self.observer.preferences(states)

    def attraction(self, session: Session, items: IntArray) -> FloatArray:
        """What draws the eyes of those who answer."""
        assert isinstance(session, StatesFromSession)
        return self.answering.attraction(session.answering, items)

    def best_items(self, states: FloatArray, k: int, exclude: Pairs) -> tuple[IntArray, FloatArray]:
        """The observer's action model."""
        return self.observer.best_items(states, k, exclude)


class StatesFromSession(Session):
    """Made by :meth:`StatesFrom.open`.

    Attributes:
        answering: the session of those who answer.
        observed: what the observer would have answered last; None before.
    """

    def __init__(
        self,
        simulator: StatesFrom,
        histories: Histories,
        users: IntArray | None,
        feedback: Feedback | None,
    ) -> None:
        self._simulator = simulator
        answering, observer = simulator.answering, simulator.observer
        self.answering = answering.open(histories, users, **answering.told(feedback))
        self._observing = observer.open(histories, self._known(users), **observer.told(feedback))
        self.states = self._observing.states
        self.observed: Response | None = None

    def respond(self, actions: IntArray) -> Response:
        """What those who answer say; what the observer would is kept."""
        self.observed = self._observing.respond(actions)
        response = self.answering.respond(actions)
        self.members = self.answering.members
        return response

    def commit(self, accepted: BoolArray, skipped: BoolArray | None = None) -> FloatArray:
        """Both come to know of it; the states are the observer's."""
        answering, observer = self._simulator.answering, self._simulator.observer
        self.answering.commit(accepted, **answering.told_skips(skipped))
        self.states = self._observing.commit(accepted, **observer.told_skips(skipped))
        return self.states

    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        """Others take these places in both."""
        answering, observer = self._simulator.answering, self._simulator.observer
        self.answering.replace(rows, histories, users, **answering.told(feedback))
        told = observer.told(feedback)
        self.states = self._observing.replace(rows, histories, self._known(users), **told)
        return self.states

    def _known(self, users: IntArray | None) -> IntArray | None:
        """Who they are to the observer: the same, where both have the same users."""
        same = self._simulator.observer.users is self._simulator.answering.users
        return users if same else None
