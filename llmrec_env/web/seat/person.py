"""``PersonUser``: a simulator whose answers a person gives, while another one says its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.users.base import Feedback, Histories, Response, Session, UserSimulator
from llmrec_env.users.states_from import StatesFrom


class PersonUser(StatesFrom):
    """A person in the place of a simulated user, so that any environment can be put before them.

    States, item space and action model are the simulator's, which follows what the person takes:
    agents that learned among its users act before the person as they act before those.

    Args:
        simulator: with users, whose histories the person gets.
    """

    def __init__(self, simulator: UserSimulator) -> None:
        super().__init__(_Person(simulator), observer=simulator)


class _Person(UserSimulator):
    """Answers as it is told to; what it took is remembered by the simulator that observes."""

    state_size = 0

    def __init__(self, simulator: UserSimulator) -> None:
        assert simulator.users is not None
        self.catalogue = simulator.catalogue
        self.users = simulator.users
        self._simulator = simulator

    def unknown_items(self, user: int) -> IntArray:
        """Items about which the simulator cannot answer: there would be nothing to compare."""
        return self._simulator.unknown_items(user)

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> PersonSession:
        """Seat N people."""
        return PersonSession(len(histories))


@dataclass
class PersonAnswer:
    """What a person says of the item that is shown: whether they take it, and the liking, in
    [0, 1]."""

    taken: bool
    liking: float


class PersonSession(Session):
    """People who are asked together; all give one answer, so N is 1 where there is a person.

    Args:
        people: how many.

    Attributes:
        answer: what the person says of the next item that is shown; set before it is shown.
    """

    def __init__(self, people: int) -> None:
        self.states = np.empty((people, 0), dtype=np.float32)
        self.answer = PersonAnswer(False, 0.0)

    def respond(self, actions: IntArray) -> Response:
        """The person's answer."""
        shape = np.shape(actions)
        return Response(
            np.full(shape, self.answer.liking, dtype=np.float32),
            np.full(shape, float(self.answer.taken), dtype=np.float32),
        )

    def commit(self, accepted: BoolArray, skipped: BoolArray | None = None) -> FloatArray:
        """Nothing: a person's own mind is not followed."""
        return self.states

    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        """Seat others."""
        return self.states
