"""``TrueTasteUser``: the generated world's users, who answer by their true preferences."""

from __future__ import annotations

from typing import Literal

import numpy as np

from llmrec_env.common.arrays import (
    BoolArray,
    Float64Array,
    FloatArray,
    IntArray,
    KeepsArrays,
    read_only,
)
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.logistic import offset_of_mean, sigmoid
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.sessions import Wanted
from llmrec_env.data.visits import Visits
from llmrec_env.data.world.generated import World
from llmrec_env.data.world.taste import Mind
from llmrec_env.users.base import (
    Feedback,
    Histories,
    Response,
    Session,
    UserSimulator,
    states_within,
)


class TrueTasteUser(UserSimulator):
    """Users who answer by the world's own formula: exact, fast, and without a language model.

    A user's mind (taste, satiation and trust, :mod:`llmrec_env.data.world.taste`) follows from who
    they are and what they took. Who they are is told by ``users`` in :meth:`open`, matched by user
    id with the users of the world's log; the taste of a user unknown to the world is estimated
    once, from the history that their session opens with (:meth:`World.estimate_tastes`).

    The reward is the true liking; an item is taken with probability
    ``sigmoid(accept_sharpness * utility + offset)``, in a world with trust of the willingness in
    the utility's place. There whatever is shown moves the users' trust, so that they remember what
    they skipped (``remember_skips``): bad recommendations are taken less, patience is used up
    sooner, and users leave.

    The state is ``(taste, satiation, 1)``, or ``(taste, satiation, trust, 1)``, L2-normalised: its
    last coordinate keeps the scale, so a state tells the whole mind and :meth:`preferences` are the
    true utilities up to float32.

    Args:
        world: the generated world.
        users: whose initial histories start episodes; all users of the world where None.
        accept_rate: mean accept probability of a uniformly shown item, over the world's users after
            the first half (at least 3) of their items.

    Raises:
        DataError: ``users`` speak of another catalogue.
        SimulatorError: ``accept_rate`` is not in (0, 1).
    """

    def __init__(
        self, world: World, users: InteractionLog | None = None, accept_rate: float = 0.1
    ) -> None:
        self.world = world
        self.catalogue = world.catalogue
        self.state_size = 2 * world.factors.shape[1] + self._trusts + 1
        self._willing_counts, self._willing_values = _willingness_histogram(world)
        self._set_users(users if users is not None else world.log)
        self._set_accept_rate(accept_rate)

    @property
    def _trusts(self) -> bool:
        """Whether trust is part of a mind."""
        return self.world.model.parameters.has_trust

    @property
    def remember_skips(self) -> bool:
        """Whether what was shown and not taken moves the users: where they trust."""
        return self._trusts

    @property
    def tells_leaving(self) -> Literal["taken", "shown"] | None:
        """After items taken, where users trust: who distrusts may leave, as in the world's log."""
        return "taken" if self._trusts else None

    @property
    def sessions(self) -> Wanted:
        """The world's log names its sessions where users trust."""
        return "column" if self._trusts else "none"

    def leave_chance(self, session: Session, visits: Visits) -> Float64Array:
        """``leave_rate * (1 - trust)``: how users leave in the world's log, but for the lengths
        that it gave them beforehand.

        Raises:
            SimulatorError: the world has no trust, so that nobody leaves by it.
        """
        if not self._trusts:
            return super().leave_chance(session, visits)
        assert isinstance(session, _TrueTasteSession)
        return self.world.parameters.leave_rate * (1.0 - session._mind.trust)

    def open(
        self, histories: Histories, users: IntArray | None = None, feedback: Feedback | None = None
    ) -> Session:
        """Begin to ask N users; ``users`` (rows of ``self.users``) says who they are."""
        return _TrueTasteSession(self, histories, users)

    def true_liking(self, histories: Histories, users: IntArray | None = None) -> FloatArray:
        """Liking of every item, float32 (N, n_items)."""
        utilities = self.world.model.utilities(self.minds(histories, users))
        return self.world.model.liking(utilities).astype(np.float32)

    def accept_probabilities(
        self, histories: Histories, users: IntArray | None = None
    ) -> FloatArray:
        """Probability of taking each item if it were shown, float32 (N, n_items)."""
        mind = self.minds(histories, users)
        return self._accept(mind, self.world.model.utilities(mind))

    def preferences(self, states: FloatArray) -> FloatArray:
        """True utilities of every item, float32 (N, n_items), for states (N, state_size)."""
        k = self.world.factors.shape[1]
        states = states_within(states, self.state_size, k)
        mind = states[:, :-1].astype(np.float64) / states[:, -1:]
        trust = mind[:, -1] if self._trusts else np.ones(len(mind))
        found = Mind(mind[:, :k], mind[:, k : 2 * k], trust)
        return self.world.model.utilities(found).astype(np.float32)

    def attraction(self, session: Session, items: IntArray) -> FloatArray:
        """True utilities, as sharply as they decided what was taken in the world's log.

        float32 (N, K).
        """
        assert isinstance(session, _TrueTasteSession)
        utility = self.world.model.utility(session._mind, items)
        return (self.world.parameters.choice_sharpness * utility).astype(np.float32)

    @property
    def item_vectors(self) -> FloatArray:
        """The items' true factors, unit rows float32 (n_items, n_factors)."""
        return self.world.factors.astype(np.float32)

    def minds(self, histories: Histories, users: IntArray | None = None) -> Mind:
        """The minds of N users who took ``histories``."""
        return self.world.model.after(self._first_tastes(histories, users), histories)

    def _set_users(self, users: InteractionLog) -> None:
        super()._set_users(users)
        self._world_rows = self.world.user_rows(users.user_ids)

    def _first_tastes(self, histories: Histories, users: IntArray | None) -> Float64Array:
        """Tastes before the first interaction: known by name, else estimated."""
        if users is None:
            return self.world.estimate_tastes(histories)
        if len(users) != len(histories):
            raise SimulatorError(
                f"{len(users)} users for {len(histories)} histories; expected one user a history"
            )
        rows = self._world_rows[users]
        tastes = self.world.tastes[rows]
        strangers = [row for row in range(len(rows)) if rows[row] < 0]
        if strangers:
            tastes[strangers] = self.world.estimate_tastes([histories[row] for row in strangers])
        return tastes

    def _set_accept_rate(self, accept_rate: float) -> None:
        if not 0.0 < accept_rate < 1.0:
            raise SimulatorError(f"accept_rate must lie between 0 and 1, got {accept_rate}")
        self.accept_rate = accept_rate
        logits = self.world.parameters.accept_sharpness * self._willing_values
        self._offset = offset_of_mean(logits, accept_rate, self._willing_counts)

    def _accept(self, mind: Mind, utilities: Float64Array) -> FloatArray:
        sharpness = self.world.parameters.accept_sharpness
        willingness = self.world.model.willingness(mind, utilities)
        return sigmoid(sharpness * willingness + self._offset).astype(np.float32)


class _TrueTasteSession(KeepsArrays, Session):
    def __init__(
        self, simulator: TrueTasteUser, histories: Histories, users: IntArray | None
    ) -> None:
        self._simulator = simulator
        self._taste, self._satiation, self._trust = simulator.minds(histories, users)
        self._shown: IntArray | None = None
        self.states = read_only(self._states(self._mind))

    @property
    def _mind(self) -> Mind:
        return Mind(self._taste, self._satiation, self._trust)

    def respond(self, actions: IntArray) -> Response:
        self._shown = np.asarray(actions, dtype=np.int64)
        model = self._simulator.world.model
        utility = model.utility(self._mind, self._shown)
        accept_probability = self._simulator._accept(self._mind, utility)
        return Response(model.liking(utility).astype(np.float32), accept_probability)

    def commit(self, accepted: BoolArray, skipped: BoolArray | None = None) -> FloatArray:
        if self._shown is None:
            raise SimulatorError("commit() comes after respond(): nothing has been shown yet")
        rows, shown, model = np.flatnonzero(accepted), self._shown, self._simulator.world.model
        left = np.flatnonzero(~np.asarray(accepted) if skipped is None else skipped)
        if len(rows):
            self._put(rows, model.take(self._mind.rows(rows), shown[rows]))
        if len(left) and self._simulator.remember_skips:
            self._put(left, model.show(self._mind.rows(left), shown[left]))
        self._shown = None
        return self.states

    def replace(
        self,
        rows: IntArray,
        histories: Histories,
        users: IntArray | None = None,
        feedback: Feedback | None = None,
    ) -> FloatArray:
        self._put(np.asarray(rows, dtype=np.int64), self._simulator.minds(histories, users))
        return self.states

    def _put(self, rows: IntArray, minds: Mind) -> None:
        self._mind.put(rows, minds)
        states = self.states.copy()
        states[rows] = self._states(minds)
        self.states = read_only(states)

    def _states(self, mind: Mind) -> FloatArray:
        parts = [mind.taste, mind.satiation, np.ones((len(mind.taste), 1))]
        if self._simulator._trusts:
            parts.insert(2, mind.trust[:, None])
        return _unit(np.concatenate(parts, axis=1))


def _unit(state: Float64Array) -> FloatArray:
    """Rows of length 1."""
    return (state / np.sqrt((state * state).sum(axis=1, keepdims=True))).astype(np.float32)


def _willingness_histogram(world: World) -> tuple[IntArray, Float64Array]:
    """Counts and values of all users' willingness to take all items, halfway through their log."""
    initial_histories = [items[: max(3, len(items) // 2)] for items in world.log.sequences()]
    mind = world.model.after(world.tastes, initial_histories)
    willing = world.model.willingness(mind, world.model.utilities(mind))
    counts, edges = np.histogram(willing, bins=4096)
    return counts, (edges[1:] + edges[:-1]) / 2
