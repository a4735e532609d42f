"""The dynamics of the next-item environment for N users: rewards, accept or skip, leaving.

A row is one user in one episode. :class:`NextItemEnv` is these rules with one row,
:class:`NextItemVectorEnv` with many, so both follow the same ones:

* An item is *seen* when it stands in the initial history or was shown in this episode.
* The reward of an unseen item is the user's liking of it; the user accepts it with their accept
  probability.
* The reward of a seen item is 0. It is never accepted, but still consumes a random draw, so that
  two policies with the same seed face the same luck.
* Each skip costs one patience, accepting an item restores it; without patience the user leaves.
  A user who has seen every item leaves too; the time limit stands in ``envs/common/rules.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray, read_only
from llmrec_env.common.errors import DataError, SimulatorError
from llmrec_env.data.log import InteractionLog
from llmrec_env.envs.common.checks import check_choices, check_name
from llmrec_env.envs.common.rules import Rules, check_counts
from llmrec_env.envs.next_item.seen import SeenItems
from llmrec_env.users.base import Response, Session, UserSimulator

REWARDS = ("shown", "accept")
MIN_INITIAL_ITEMS = 3
ENDLESS = 2**62
"""The largest patience, which no episode uses up."""
STATE_TOLERANCE = 1e-3
"""By how much a state may lie outside [-1, 1]: the last bits of a unit vector."""


class Outcome(NamedTuple):
    """What one step brought to N rows.

    Attributes:
        items: int64 (N,), the items shown.
        rewards: the named terms, float32 (N,) each; ``"shown"``: the liking of an unseen item,
            ``"accept"``: the same where it was taken.
        reward: float32 (N,), the term that ``reward_on`` names.
        accepted: bool (N,), whether the item was taken.
        terminated: bool (N,), whether the user left, or has seen every item.
    """

    items: IntArray
    rewards: dict[str, FloatArray]
    reward: FloatArray
    accepted: BoolArray
    terminated: BoolArray


class InitialHistories:
    """The users from whom episodes start and their initial histories. Immutable.

    An initial history is the first half of the user's sequence, at least three items; a user is
    eligible when at least one item remains after it.

    Raises:
        DataError: no user is eligible.
    """

    def __init__(self, log: InteractionLog) -> None:
        self.log = log
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
                f"episodes ({some}, …); make the environment with users=log for others"
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


class NextItemRules(Rules[Outcome]):
    """N users who are shown one item a step.

    Args:
        simulator: who answers; its ``users`` start the episodes.
        num_rows: how many users are asked at once, N.
        patience: skips in a row that a user bears.
        reward_on: which reward term is paid, ``"shown"`` or ``"accept"``.
        history_length: how many of the last items ``recent`` keeps.

    Attributes:
        n_items: items that can be shown.
        seen: what each user has seen.
        recent: int64 (N, history_length), the last items that each user took, most recent last,
            padded on the left with ``n_items``.
        users: int64 (N,), rows of ``initial_histories.log``.
        patience_left: int64 (N,).
        last_answer: int64 (N,), -1 skipped, 0 none yet, 1 taken.

    Raises:
        SettingError: an argument is out of range.
    """

    option = "user_id"
    session: Session

    def __init__(
        self,
        simulator: UserSimulator,
        num_rows: int = 1,
        patience: int = 5,
        reward_on: str = "shown",
        history_length: int = 50,
    ) -> None:
        super().__init__(num_rows)
        check_counts(history_length=history_length)
        if simulator.users is None:
            raise SimulatorError(f"{type(simulator).__name__} brings no users to start from")
        self.simulator = simulator
        self.initial_histories = InitialHistories(simulator.users)
        self.n_items = simulator.n_items
        self.action_space = spaces.Discrete(self.n_items)
        self.users = np.zeros(num_rows, dtype=np.int64)
        self.seen = SeenItems(num_rows, self.n_items)
        self.recent = np.full((num_rows, history_length), self.n_items, dtype=np.int64)
        self.patience_left = np.zeros(num_rows, dtype=np.int64)
        self.last_answer = np.zeros(num_rows, dtype=np.int64)
        self._rows = np.arange(num_rows)
        self.patience = patience
        self.reward_on = reward_on

    @property
    def patience(self) -> int:
        """Skips in a row that a user bears; what is left is never more than is set."""
        return self._patience

    @patience.setter
    def patience(self, patience: int) -> None:
        check_counts(ENDLESS, patience=patience)
        self._patience = int(patience)
        self.patience_left = np.minimum(self.patience_left, self._patience)

    @property
    def reward_on(self) -> str:
        """Which reward term is paid, ``"shown"`` or ``"accept"``."""
        return self._reward_on

    @reward_on.setter
    def reward_on(self, reward_on: str) -> None:
        self._reward_on = check_name("reward_on", reward_on, REWARDS)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: initial histories follow from the simulator's users."""
        return {name: v for name, v in self.__dict__.items() if name != "initial_histories"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        assert self.simulator.users is not None
        self.initial_histories = InitialHistories(self.simulator.users)

    def __deepcopy__(self, memo: dict[int, Any]) -> NextItemRules:
        """Other episodes with the same simulator, from the same initial histories."""
        memo[id(self)] = twin = object.__new__(type(self))
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    @property
    def states(self) -> FloatArray:
        """The users' states, float32 (N, state_size)."""
        return self.session.states

    def action_masks(self) -> BoolArray:
        """Bool (N, n_items), true where the user has not seen the item."""
        return self.seen.unseen_masks()

    def starts(self, wanted: Sequence[str | None]) -> list[int | None]:
        """The users of external ids, rows of ``initial_histories.log``; None where None.

        Raises:
            DataError: an id is unknown or its user's sequence is too short.
        """
        return [None if name is None else self.initial_histories.find(name) for name in wanted]

    def begin(self, rows: IntArray, starts: Sequence[int | None] | None = None) -> None:
        """Start new episodes in ``rows``.

        Args:
            rows: int64 (M,), ascending; all of them the first time.
            starts: M users, as :meth:`starts` gives them; where None, the row's generator draws.
        """
        wanted = starts if starts is not None else [None] * len(rows)
        users = np.array(
            [
                self.initial_histories.draw(self.generators[row]) if user is None else user
                for row, user in zip(rows, wanted, strict=True)
            ],
            dtype=np.int64,
        )
        histories = [self.initial_histories.history(user) for user in users]
        if len(rows) == self.num_rows:
            self.session = self.simulator.open(histories, users)
        else:
            self.session.replace(rows, histories, users)
        self._check_states()
        self.users[rows] = users
        self.patience_left[rows] = self.patience
        self.steps[rows] = 0
        self.last_answer[rows] = 0
        for row, history in zip(rows, histories, strict=True):
            self._open_row(row, history)

    def step(self, actions: Any, playing: BoolArray) -> Outcome:
        """Show item ``actions[i]`` to the user of each row that is playing.

        Args:
            actions: integers (N,), in [0, n_items).
            playing: bool (N,); a row that is not playing draws nothing and does not change.

        Raises:
            InvalidAction: the actions do not fit the rows, or there is no such item.
        """
        actions = check_choices(actions, self.num_rows, self.n_items, "an item index")
        uniform = self._draw(playing)
        unseen = playing & ~self.seen.has(actions)
        response = self.session.respond(actions)
        self._check_response(response)
        accepted = unseen & (uniform < response.accept_probability)
        self.session.commit(accepted)
        self._check_states()
        self._remember(actions, unseen, accepted)
        self._tire(playing, accepted)
        shown = np.where(unseen, response.reward, np.float32(0.0))
        taken = np.where(accepted, shown, np.float32(0.0))
        terminated = playing & ((self.patience_left <= 0) | (self.seen.counts == self.n_items))
        rewards = {"shown": shown, "accept": taken}
        return Outcome(actions, rewards, rewards[self.reward_on], accepted, terminated)

    def _open_row(self, row: int, history: IntArray) -> None:
        self.seen.begin(row, history)
        last = history[-self.recent.shape[1] :]
        self.recent[row] = self.n_items
        self.recent[row, self.recent.shape[1] - len(last) :] = last

    def _draw(self, playing: BoolArray) -> Float64Array:
        """One uniform draw for each row that plays, from the row's own generator."""
        pairs = zip(self.generators, playing.tolist(), strict=True)
        return np.array([generator.random() if plays else 0.0 for generator, plays in pairs])

    def _remember(self, actions: IntArray, unseen: BoolArray, accepted: BoolArray) -> None:
        self.seen.add(unseen, actions)
        takers = self._rows[accepted]
        if len(takers):
            self.recent[takers, :-1] = self.recent[takers, 1:]
            self.recent[takers, -1] = actions[takers]

    def _tire(self, playing: BoolArray, accepted: BoolArray) -> None:
        self.patience_left = np.where(accepted, self.patience, self.patience_left - playing)
        self.last_answer = np.where(playing, np.where(accepted, 1, -1), self.last_answer)
        self.steps += playing

    def _check_states(self) -> None:
        expected = (self.num_rows, self.simulator.state_size)
        states = self.session.states
        if states.shape != expected:
            raise SimulatorError(
                f"{type(self.simulator).__name__} gave states of shape {states.shape}; "
                f"expected {expected}"
            )
        sound = np.abs(states) <= 1.0 + STATE_TOLERANCE  # not so where NaN
        if not sound.all():
            raise SimulatorError(
                f"{type(self.simulator).__name__} gave states that are not finite or lie outside "
                f"[-1, 1]: row {int(np.argmin(sound.all(axis=1)))}"
            )

    def _check_response(self, response: Response) -> None:
        for name, values in zip(response._fields, response, strict=True):
            inside = values.shape == (self.num_rows,) and 0.0 <= values.min() <= values.max() <= 1.0
            if not inside:
                raise SimulatorError(
                    f"{type(self.simulator).__name__} answered with {name} = {values}; "
                    f"expected {self.num_rows} numbers in [0, 1]"
                )
