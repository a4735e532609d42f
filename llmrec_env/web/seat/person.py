"""``PersonUser``: a simulator whose answers a person gives, while another one says its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.data.feedback import Source
from llmrec_env.users.base import Feedback, Histories, Response, Session, UserSimulator


@dataclass
class PersonAnswer:
    """What a person says of the item that is shown: whether they take it, and the liking, in
    [0, 1]."""

    taken: bool
    liking: float


class PersonUser(UserSimulator):
    """A person in the place of a simulated user, so that any environment can be put before them.

    States, item space and action model are the simulator's, which follows what the person takes:
    agents that learned among its users act before the person as they act before those.

    Args:
        simulator: with users, whose histories the person gets.
    """

    def __init__(self, simulator: UserSimulator) -> None:
        assert simulator.users is not None
        self.simulator = simulator
        self.catalogue = simulator.catalogue
        self.state_size = simulator.state_size
        self.users = simulator.users

    @property
    def item_vectors(self) -> FloatArray:
        """Where items lie for the simulator."""
        return self.simulator.item_vectors

    @property
    def feedback_source(self) -> Source | None:
        """What the simulator reads of a history beside the items."""
        return self.simulator.feedback_source

    @property
    def has_action_model(self) -> bool:
        """Whether the simulator names items."""
        return self.simulator.has_action_model

    @property
    def remember_skips(self) -> bool:
        """Whether the simulator does."""
        return self.simulator.remember_skips

    def unknown_items(self, user: int) -> IntArray:
        """Items about which the simulator cannot answer: there would be nothing to compare."""
        return self.simulator.unknown_items(user)

    def preferences(self, states: FloatArray) -> FloatArray:
        """The simulator's action model: float32 logits (N, n_items)."""
        return self.simulator.preferences(states)

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> PersonSession:
        """Seat N people with these histories."""
        return PersonSession(self.simulator, histories, users, feedback)


class PersonSession(Session):
    """People who are asked together; all give one answer, so N is 1 where there is a person.

    Args:
        simulator: what follows them; histories, users, feedback: as it opens a session.

    Attributes:
        answer: what the person says of the next item that is shown; set before it is shown.
        said: what the simulator said of the last one; None before.
    """

    def __init__(
        self,
        simulator: UserSimulator,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> None:
        self._simulator = simulator
        self._simulated = simulator.open(histories, users, **simulator.told(feedback))
        self.states = self._simulated.states
        self.answer = PersonAnswer(False, 0.0)
        self.said: Response | None = None

    def respond(self, actions: IntArray) -> Response:
        """The person's answer; what the simulator says is kept."""
        self.said = self._simulated.respond(actions)
        shape = np.shape(actions)
        return Response(
            np.full(shape, self.answer.liking, dtype=np.float32),
            np.full(shape, float(self.answer.taken), dtype=np.float32),
        )

    def commit(self, accepted: BoolArray, skipped: BoolArray | None = None) -> FloatArray:
        """What the person took joins the history that the simulator knows."""
        self.states = self._simulated.commit(accepted, **self._simulator.told_skips(skipped))
        return self.states

    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        """Seat others."""
        told = self._simulator.told(feedback)
        self.states = self._simulated.replace(rows, histories, users, **told)
        return self.states
