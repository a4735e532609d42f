"""The interface of simulated users: ``UserSimulator``, ``Session``, and labels of a log.

A simulator is immutable; what moves while users are asked lives in a :class:`Session`::

    session = simulator.open(histories)     # N users, each with the items they took, oldest first
    answer = session.respond(actions)       # reward and accept probability of one item a user
    states = session.commit(accepted)       # taken items join the histories, others leave no trace,
                                            # unless the simulator remembers skips
    session.replace(rows, histories)        # some users left, new ones come

Most simulators know a user by the history alone. One that knows its users by name learns from
``open(histories, users)`` who they are: rows of ``simulator.users``, the log its episodes start
from (``simulator.with_users(log)`` chooses another).
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from llmrec_env.common.arrays import (
    BoolArray,
    Float64Array,
    FloatArray,
    IntArray,
    chunks,
    read_only,
)
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.progress import track
from llmrec_env.common.top_k import Pairs, top_k
from llmrec_env.data.catalogue import Catalogue, check_same_catalogue
from llmrec_env.data.feedback import Source
from llmrec_env.data.histories import check_candidates, check_histories
from llmrec_env.data.log import InteractionLog, check_log
from llmrec_env.data.random_indexing import random_indexing
from llmrec_env.data.sessions import Wanted
from llmrec_env.data.visits import Visits

Histories = Sequence[IntArray]
Feedback = Sequence[FloatArray]
"""Beside each item of a history how it was liked, in the unit of the log (stars, play counts); NaN
where nobody knows."""
BESIDE_STATE = 3
"""Numbers that an environment's observation has after the user's state: patience left, steps left,
the last answer."""
ITEM_SIZE = 16
"""Numbers that tell where an item lies, at most: the axes of :class:`ItemSpace`."""


class Response(NamedTuple):
    """How N users answer one shown item each, before anything is taken.

    Attributes:
        reward: float32 (N,), the user's liking of the item, in [0, 1].
        accept_probability: float32 (N,), in [0, 1].
    """

    reward: FloatArray
    accept_probability: FloatArray


class Session(ABC):
    """N users being asked. Made by :meth:`UserSimulator.open`."""

    states: FloatArray
    """float32 (N, state_size), each value in [-1, 1]; the users as they are now. Read-only in the
    sessions of this package."""
    members: Response | None = None
    """What each member of the simulator answered to the last :meth:`respond`, float32 (K, N) each;
    None before it, and where the simulator has no members."""

    @abstractmethod
    def respond(self, actions: IntArray) -> Response:
        """Show item ``actions[i]`` to user ``i``; int64 (N,) in, nothing changes."""

    @abstractmethod
    def commit(self, accepted: BoolArray, skipped: BoolArray | None = None) -> FloatArray:
        """Append the items of the last :meth:`respond` to the histories of the users who took them.

        Args:
            accepted: bool (N,).
            skipped: bool (N,), who was shown the item and left it; all who did not take it where
                None. Only a simulator with ``remember_skips`` is told, so a session of one without
                need not have this argument.

        Returns:
            The states after it, float32 (N, state_size).
        """

    @abstractmethod
    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        """Put new users with ``histories`` in the places ``rows``; returns all states.

        Args:
            rows: int64 (M,), the places.
            histories: M item arrays.
            users: int64 (M,) or None, as in :meth:`UserSimulator.open`.
            feedback: as in :meth:`UserSimulator.open`.
        """


@dataclass(frozen=True, eq=False)
class Labels:
    """What a simulator says about every interaction of a log, row by row.

    Attributes:
        states: float32 (n_interactions, state_size), the user just after the interaction.
        rewards: float32 (n_interactions,), the liking of the logged item given what came before it;
            NaN at each user's first interaction, before which nothing is known.
    """

    states: FloatArray
    rewards: FloatArray


@dataclass(frozen=True, eq=False)
class Branches:
    """What a simulator says about K actions tried after every interaction of a log.

    Attributes:
        rewards: float32 (n_interactions, K), the liking of the tried action.
        states: float32 (n_interactions, K, state_size), the user had they taken it.
    """

    rewards: FloatArray
    states: FloatArray


def states_within(observations: Any, state_size: int, vector_size: int) -> FloatArray:
    """The users' states in states (N, state_size) or in observations, which begin with them.

    Args:
        observations: float (N, …).
        state_size: length of a state.
        vector_size: length of an item vector, from which follows how long observations are.

    Raises:
        SimulatorError: these are of another length, such as the states of another simulator.
    """
    values = np.asarray(observations)
    axes = min(ITEM_SIZE, vector_size)
    sound = values.ndim == 2
    if sound and values.shape[1] not in (state_size, state_size + BESIDE_STATE):
        shown = values.shape[1] - state_size - BESIDE_STATE - axes  # an answer and a point each
        sound = shown > 0 and shown % (axes + 1) == 0
    if not sound:
        raise SimulatorError(
            f"expected states of {state_size} numbers, or an environment's observations, which "
            f"have at least {BESIDE_STATE} more, one row a user; got shape {values.shape}"
        )
    return values[:, :state_size]


class UserSimulator(ABC):
    """A population of simulated users over one catalogue.

    Attributes:
        catalogue: the items that can be shown.
        state_size: length of a state vector.
        users: the users whose initial histories start episodes (held out from learning), or None
            where the caller must bring them.
    """

    catalogue: Catalogue
    state_size: int
    users: InteractionLog | None = None

    @property
    def n_members(self) -> int:
        """How many answer side by side; their mean is the answer, and ``session.members`` has all.

        1 where nobody else is asked.
        """
        return 1

    @property
    def has_action_model(self) -> bool:
        """Whether :meth:`preferences` names items."""
        return type(self).preferences is not UserSimulator.preferences

    @property
    def remember_skips(self) -> bool:
        """Whether an item that is shown and not taken stays in what a session knows of a user."""
        return False

    def told_skips(self, skipped: BoolArray | None) -> dict[str, Any]:
        """The keyword by which ``commit`` is told who skipped, if at all."""
        return {"skipped": skipped} if self.remember_skips and skipped is not None else {}

    @property
    def feedback_source(self) -> Source | None:
        """The column of a log in whose unit feedback is read; None where none is."""
        return None

    @property
    def reads_feedback(self) -> bool:
        """Whether :meth:`open` takes how the items of a history were liked."""
        return self.feedback_source is not None

    def told(self, feedback: Feedback | None) -> dict[str, Any]:
        """The keyword by which :meth:`open` and ``replace`` are told feedback, if at all."""
        return {"feedback": feedback} if self.reads_feedback and feedback is not None else {}

    @property
    def tells_leaving(self) -> Literal["taken", "shown"] | None:
        """After which items :meth:`leave_chance` says how probably a user leaves: those taken, or
        all that are shown; None where it is not known when they do."""
        return None

    @property
    def sessions(self) -> Wanted:
        """What tells the sessions of a log from which leaving was learned
        (:mod:`llmrec_env.data.sessions`)."""
        return "none"

    @property
    def visit_vectors(self) -> FloatArray:
        """Where items lie for whom :meth:`leave_chance` is asked: float32 (n_items, D)."""
        return self.item_vectors

    def leave_chance(self, session: Session, visits: Visits) -> Float64Array:
        """How probably each user leaves after the last item, float64 (N,) in [0, 1].

        Args:
            session: opened by this simulator, after :meth:`Session.commit`.
            visits: what the users' sessions have been like.

        Raises:
            SimulatorError: it is not known when these users leave.
        """
        raise SimulatorError(f"{type(self).__name__} does not say when users leave")

    def unknown_items(self, user: int) -> IntArray:
        """Items about which a user cannot answer: environments count them as seen.

        This default knows an answer about all.

        Args:
            user: a row of ``self.users``.

        Returns:
            int64 (M,), each once.
        """
        return np.empty(0, dtype=np.int64)

    @abstractmethod
    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> Session:
        """Begin to ask N users.

        Args:
            histories: N item arrays, int64, oldest first, each with at least one item.
            users: int64 (N,), who they are as rows of ``self.users``, or None where that is not
                known. A simulator that knows a user by the history alone ignores it.
            feedback: N arrays float32, how each item of the histories was liked; None where that is
                not known. A simulator that reads none ignores it. What is taken afterwards is read
                without feedback.
        """

    def with_users(self, users: InteractionLog) -> Self:
        """The same simulator, whose episodes start from the users of another log.

        Raises:
            DataError: the log is of another catalogue.
        """
        simulator = copy.copy(self)
        simulator._set_users(users)
        return simulator

    def _set_users(self, users: InteractionLog) -> None:
        check_log(users, "users")
        check_same_catalogue(self.catalogue, users.catalogue, "users, for this simulator")
        self.users = users

    @property
    def n_items(self) -> int:
        """Number of items in the catalogue."""
        return len(self.catalogue)

    @property
    def item_vectors(self) -> FloatArray:
        """Where items lie: float32 (n_items, D), items that are alike close together.

        This default knows items by who took them, :func:`random_indexing` of ``users``.

        Raises:
            SimulatorError: there are no users.
        """
        if self.users is None:
            raise SimulatorError(
                f"{type(self).__name__} has no users from whom to tell where items lie; set users, "
                "or override item_vectors"
            )
        return random_indexing(self.users)

    def __deepcopy__(self, memo: dict[int, Any]) -> UserSimulator:
        """Itself: a simulator is immutable, so copies of an environment share it."""
        return self

    def preferences(self, states: FloatArray) -> FloatArray:
        """The action model: float32 logits (N, n_items) over all items, for states (N, state_size).

        The simulators of this package also take the environment's observations
        (N, state_size + 3), and read the state in them.

        Raises:
            SimulatorError: this kind of user only answers and does not name items by itself.
        """
        raise SimulatorError(
            f"{type(self).__name__} has no action model: it answers, but names no items"
        )

    def attraction(self, session: Session, items: IntArray) -> FloatArray:
        """How much each item of a list draws the users' eyes: logits, of which only differences
        within a row count.

        This default asks :meth:`preferences` at the session's states. Where there are none, all
        items draw alike.

        Args:
            session: opened by this simulator.
            items: int64 (N, K), a list for each user.

        Returns:
            float32 (N, K).
        """
        if not self.has_action_model:
            return np.zeros(items.shape, dtype=np.float32)
        return np.take_along_axis(self.preferences(session.states), items, axis=1)

    def best_items(self, states: FloatArray, k: int, exclude: Pairs) -> tuple[IntArray, FloatArray]:
        """The K items that :meth:`preferences` ranks highest.

        Args:
            states: float32 (N, state_size).
            k: items a state.
            exclude: rows of ``states`` and items, int64 (P,) each, that are left out.

        Returns:
            int64 items and float32 logits, both (N, K), best first; -1 and minus infinity where
            fewer are left.

        Raises:
            SimulatorError: this kind of user names no items by itself.
        """
        logits = np.array(self.preferences(states), dtype=np.float32)
        logits[exclude] = -np.inf
        return top_k(logits, k)

    def with_accept_rate(self, accept_rate: float) -> Self:
        """The same users, taking a uniformly shown item with this mean probability.

        Raises:
            SimulatorError: this kind of user has no such setting, or the rate is not in (0, 1).
        """
        simulator = copy.copy(self)
        simulator._set_accept_rate(accept_rate)
        return simulator

    def _set_accept_rate(self, accept_rate: float) -> None:
        raise SimulatorError(f"{type(self).__name__} cannot change its accept rate")

    def with_remember_skips(self, remember_skips: bool) -> UserSimulator:
        """The same users, who remember what they skip in an episode, or do not.

        Raises:
            SimulatorError: this kind of user cannot.
        """
        if remember_skips == self.remember_skips:
            return self
        raise SimulatorError(f"{type(self).__name__} cannot remember skips")

    def answers(
        self, histories: Histories, candidates: IntArray, feedback: Feedback | None = None
    ) -> Response:
        """How users with these histories answer several candidates each; nothing is taken.

        This default shows them one after the other in one session.

        Args:
            histories: N item arrays.
            candidates: int64 (N, C).
            feedback: as in :meth:`open`.

        Returns:
            Rewards and accept probabilities, float32 (N, C) each.

        Raises:
            SimulatorError: histories or candidates are no items of the catalogue, or not one row a
                user.
        """
        check_histories(histories, self.n_items)
        candidates = check_candidates(histories, candidates, self.n_items)
        session = self.open(histories, **self.told(feedback))
        columns = track(range(candidates.shape[1]), "score candidates")
        answers = [session.respond(candidates[:, c]) for c in columns]
        return Response(*(np.stack(part, axis=1) for part in zip(*answers, strict=True)))

    def score(
        self, histories: Histories, candidates: IntArray, feedback: Feedback | None = None
    ) -> FloatArray:
        """Rewards float32 (N, C) of candidates int64 (N, C); see :meth:`answers`."""
        return self.answers(histories, candidates, feedback).reward

    def label(self, log: InteractionLog) -> Labels:
        """States and rewards of every interaction of ``log``.

        This default walks a session through each sequence; a simulator that can read a sequence in
        one pass overrides it.
        """
        states = np.zeros((len(log), self.state_size), dtype=np.float32)
        rewards = np.full(len(log), np.nan, dtype=np.float32)
        simulator = self.with_users(log)
        by_length = np.argsort(log.lengths, kind="stable")
        for users in track(chunks(by_length, 256), "label the log"):
            session = simulator.open([log.sequence(user)[:1] for user in users], users)
            starts, lengths = log.offsets[users], log.lengths[users]
            states[starts] = session.states
            for position in range(1, int(lengths.max())):
                going = position < lengths
                actions = log.items[starts + np.minimum(position, lengths - 1)]
                response = session.respond(actions)
                nobody = np.zeros(len(users), dtype=np.bool_)
                after = session.commit(going, **simulator.told_skips(nobody))
                rewards[starts[going] + position] = response.reward[going]
                states[starts[going] + position] = after[going]
        return Labels(states, rewards)

    def branch(self, log: InteractionLog, actions: IntArray) -> Branches:
        """Try ``actions`` int64 (n_interactions, K) after every interaction of ``log``.

        This default opens a session for every prefix; a simulator that can share the prefix
        overrides it.
        """
        simulator = self.with_users(log)
        n_rows, k = actions.shape
        rewards = np.zeros((n_rows, k), dtype=np.float32)
        states = np.zeros((n_rows, k, self.state_size), dtype=np.float32)
        starts, users = np.repeat(log.offsets[:-1], log.lengths), log.row_users
        for rows in track(chunks(np.arange(n_rows), 256), "try actions"):
            histories = [log.items[starts[row] : row + 1] for row in rows]
            for j in range(k):
                session = simulator.open(histories, users[rows])
                rewards[rows, j] = session.respond(actions[rows, j]).reward
                states[rows, j] = session.commit(np.ones(len(rows), dtype=bool))
        return Branches(rewards, states)


class HistoryUser(UserSimulator):
    """A simulator of which only two functions of the histories need writing.

    Subclass it, set ``catalogue``, ``state_size`` and ``users``, and write :meth:`encode` and
    :meth:`answer`; the session keeps the histories.
    """

    @abstractmethod
    def encode(self, histories: Histories) -> FloatArray:
        """States float32 (N, state_size), each value in [-1, 1], of users with these histories."""

    @abstractmethod
    def answer(self, histories: Histories, actions: IntArray) -> Response:
        """How users with these histories answer one item each.

        Where :attr:`reads_feedback` is true it is also given ``feedback=``, as :meth:`open` is.
        """

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> Session:
        """Begin to ask N users; who they are does not matter, only what they took."""
        return _AskedByHistory(self, histories, feedback)


class HistorySession(Session):
    """A session that keeps the histories; a subclass says what follows from them."""

    def __init__(self, histories: Histories, feedback: Feedback | None = None) -> None:
        self._histories = [np.asarray(history, dtype=np.int64) for history in histories]
        self._feedback = _beside(histories, feedback)
        self._shown: IntArray | None = None
        self.states = read_only(self._encode())

    @abstractmethod
    def _encode(self) -> FloatArray:
        """The states of the users as they are now, float32 (N, state_size)."""

    @abstractmethod
    def _answer(self, actions: IntArray) -> Response:
        """How the users as they are now answer one item each, int64 (N,)."""

    def respond(self, actions: IntArray) -> Response:
        self._shown = np.asarray(actions, dtype=np.int64)
        return self._answer(self._shown)

    def commit(self, accepted: BoolArray, skipped: BoolArray | None = None) -> FloatArray:
        if self._shown is None:
            raise SimulatorError("commit() comes after respond(): nothing has been shown yet")
        for row in np.flatnonzero(accepted):
            self._histories[row] = np.append(self._histories[row], self._shown[row])
            self._feedback[row] = np.append(self._feedback[row], np.float32(np.nan))
        self._shown = None
        self.states = read_only(self._encode())
        return self.states

    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        known = _beside(histories, feedback)
        for row, history, own in zip(rows, histories, known, strict=True):
            self._histories[row], self._feedback[row] = np.asarray(history, dtype=np.int64), own
        self.states = read_only(self._encode())
        return self.states


class _AskedByHistory(HistorySession):
    def __init__(self, user: HistoryUser, histories: Histories, feedback: Feedback | None) -> None:
        self._user = user
        super().__init__(histories, feedback)

    def _encode(self) -> FloatArray:
        return self._user.encode(self._histories)

    def _answer(self, actions: IntArray) -> Response:
        return self._user.answer(self._histories, actions, **self._user.told(self._feedback))


def _beside(histories: Histories, feedback: Feedback | None) -> list[FloatArray]:
    """Feedback beside each item of histories; NaN where nothing is told."""
    if feedback is None:
        return [np.full(len(history), np.nan, dtype=np.float32) for history in histories]
    return [np.asarray(own, dtype=np.float32) for own in feedback]
