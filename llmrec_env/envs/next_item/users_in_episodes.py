"""``UsersInEpisodes``: N users, from the opening of an episode until they leave.

What they are shown, and how they answer, is for others to say: :class:`NextItemRules` shows one
item a step, :class:`SlateRules` a list. A row is one user in one episode:

* An item is *seen* when it stands in the initial history or was shown in this episode; one about
  which the simulator cannot answer (:meth:`UserSimulator.unknown_items`) counts as seen.
* Each skip costs one patience, taking an item restores it; without patience the user leaves, or,
  with ``leaving="learned"``, by a chance that the simulator learned (``leaving.py``).
  A user who has seen every item leaves too; the time limit stands in ``envs/common/rules.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray
from llmrec_env.common.checks import ENDLESS, LARGEST, check_counts
from llmrec_env.common.errors import SimulatorError
from llmrec_env.envs.common.checks import check_name
from llmrec_env.envs.common.rules import OutcomeT, Rules
from llmrec_env.envs.next_item.actions import ActionMap, ItemActions
from llmrec_env.envs.next_item.doubt import Doubt, spreads
from llmrec_env.envs.next_item.elsewhere import Elsewhere
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.envs.next_item.leaving import PATIENCE, learned_leaving
from llmrec_env.envs.next_item.seen import SeenItems
from llmrec_env.envs.next_item.shown import ShownItems
from llmrec_env.envs.next_item.users_now import UsersNow
from llmrec_env.users.base import Response, Session, UserSimulator
from llmrec_env.users.item_space import item_space_of

SEEN = ("replace", "pay_nothing")
SHOWN_LENGTH = 5
STATE_TOLERANCE = 1e-3
"""By how much a state may lie outside [-1, 1]: the last bits of a unit vector."""


class UsersInEpisodes(Rules[OutcomeT]):
    """N users who are shown items.

    Args:
        simulator: who answers; its ``users`` start the episodes.
        num_rows: how many users are asked at once, N.
        patience: skips in a row that a user bears.
        reward_on: which reward term is paid, one of :attr:`terms`.
        history_length: how many of the last items ``recent`` keeps.
        seen: what becomes of a seen item, ``"replace"`` or ``"pay_nothing"``.
        shown_length: how many of the items shown in the episode ``shown`` keeps; 0 where nobody
            looks at them.
        actions: what an action stands for; the index of an item where None.
        doubt: what is paid where the simulator may be wrong; what it says where None.
        leaving: when users leave, ``"patience"`` or ``"learned"``.

    Attributes:
        terms: the names of the reward terms.
        n_items: items that can be shown.
        replaces: whether a seen item is replaced.
        seen: what each user has seen.
        shown: what each user was shown in this episode, or None where nobody looks.
        actions: what an action stands for.
        recent: int64 (N, history_length), the last items that each user took, most recent last,
            padded on the left with ``n_items``.
        users: int64 (N,), rows of ``initial_histories.log``.
        patience_left: int64 (N,).
        last_answer: int64 (N,), -1 skipped, 0 none yet, 1 taken.
        elsewhere: what users do beside the environment; nothing where None.
        doubt: as given.
        members: int64 (N,), the member of the ensemble that answers in this episode, where one is
            drawn.
        told: what the last step says of the simulator itself, by the name in ``info``, (N,) each.

    Raises:
        SettingError: an argument is out of range.
    """

    option = "user_id"
    terms: ClassVar[Collection[str]]
    session: Session
    elsewhere: Elsewhere | None = None

    def __init__(
        self,
        simulator: UserSimulator,
        num_rows: int = 1,
        patience: int = 5,
        reward_on: str = "shown",
        history_length: int = 50,
        seen: str = "replace",
        shown_length: int = SHOWN_LENGTH,
        actions: ActionMap | None = None,
        doubt: Doubt | None = None,
        leaving: str = PATIENCE,
    ) -> None:
        super().__init__(num_rows)
        check_counts(history_length=history_length)
        check_counts(LARGEST, 0, shown_length=shown_length)
        if simulator.users is None:
            raise SimulatorError(f"{type(simulator).__name__} brings no users to start from")
        self.simulator = simulator
        self.initial_histories = InitialHistories(simulator.users, simulator.feedback_source)
        self.n_items = simulator.n_items
        self.actions = ItemActions(self.n_items) if actions is None else actions
        self.action_space = self.actions.space
        self.replaces = check_name("seen", seen, SEEN) == "replace"
        self.shown: ShownItems | None = None
        if shown_length or not isinstance(self.actions, ItemActions):
            self.shown = ShownItems(num_rows, shown_length, item_space_of(simulator).points)
        self._leaving = learned_leaving(leaving, simulator, self.initial_histories, num_rows)
        self.users = np.zeros(num_rows, dtype=np.int64)
        self.seen = SeenItems(num_rows, self.n_items)
        self.recent = np.full((num_rows, history_length), self.n_items, dtype=np.int64)
        self.doubt = Doubt() if doubt is None else doubt
        self.members = np.zeros(num_rows, dtype=np.int64)
        self.told = self.nothing_told()
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
        """Which reward term is paid, one of :attr:`terms`."""
        return self._reward_on

    @reward_on.setter
    def reward_on(self, reward_on: str) -> None:
        self._reward_on = check_name("reward_on", reward_on, self.terms)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: initial histories follow from the simulator's users."""
        state = super().__getstate__()
        del state["initial_histories"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        assert self.simulator.users is not None
        self.initial_histories = InitialHistories(
            self.simulator.users, self.simulator.feedback_source
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> UsersInEpisodes[OutcomeT]:
        """Other episodes with the same simulator, from the same initial histories."""
        memo[id(self)] = twin = object.__new__(type(self))
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    @property
    def states(self) -> FloatArray:
        """The users' states, float32 (N, state_size)."""
        return self.session.states

    def action_masks(self) -> BoolArray:
        """Bool (N, number of actions), true where an action stands for an unseen item."""
        return self.actions.masks(self.now())

    def now(self) -> UsersNow:
        """The users as they are now."""
        return UsersNow(self.states, self.recent, self.seen, self.shown)

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
        if self.doubt.randomise:
            for row in rows:
                self.members[row] = self.generators[row].integers(self.simulator.n_members)
        histories = [self.initial_histories.history(user) for user in users]
        told = self.simulator.told([self.initial_histories.feedback(user) for user in users])
        if len(rows) == self.num_rows:
            self.session = self.simulator.open(histories, users, **told)
        else:
            self.session.replace(rows, histories, users, **told)
        self._check_states()
        self.users[rows] = users
        self.patience_left[rows] = self.patience
        self.steps[rows] = 0
        self.last_answer[rows] = 0
        for row, history in zip(rows, histories, strict=True):
            self._open_row(row, history)
        self._check_left(rows)
        if self._leaving is not None:
            self._leaving.begin(rows, users)
        if self.shown is not None:
            self.shown.begin(rows)
        self.actions.look(self.now())
        if self.elsewhere is not None:
            self.elsewhere.begin(rows)

    def take(self, rows: BoolArray, items: IntArray) -> None:
        """The users of ``rows``, bool (N,), take an unseen item, int64 (N,), that nobody showed."""
        self.session.respond(items)
        self._commit(rows, np.zeros_like(rows))
        self._check_states()
        self.seen.add(rows, items)
        self._append(rows, items)
        self.actions.look(self.now())

    def _ask(
        self,
        playing: BoolArray,
        items: IntArray,
        shown: BoolArray,
        unseen: BoolArray,
        uniform: Float64Array,
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Ask each user about an item of int64 (N,); what follows from the answer happens.

        Args:
            playing: bool (N,), who has a step in which something may be taken.
            items: int64 (N,).
            shown: bool (N,), who is shown the item.
            unseen: bool (N,), who is shown it for the first time.
            uniform: float64 (N,) in [0, 1), the luck by which an unseen item is taken.

        Returns:
            The liking of unseen items and the chance that they are taken as they are paid, float32
            (N,) each, 0 of others; who took it, bool (N,).
        """
        response = self.session.respond(items)
        self._check_response(response)
        told = self._tell(unseen)
        paid, response = self.doubt.paid(
            self.simulator, self.session, items, response, self.members
        )
        if "simulated_reward" in told:
            told["simulated_reward"] = np.where(unseen, response.reward, np.float32(0.0))
        self.told = told
        accepted = unseen & (uniform < response.accept_probability)
        self._commit(accepted, unseen & ~accepted)
        self._check_states()
        if self._leaving is not None:
            liked = np.where(unseen, response.reward, np.float32(np.nan))
            self._leaving.step(items, playing, accepted, liked)
        self._remember(shown, items, unseen, accepted)
        self._tire(playing, accepted)
        self.actions.look(self.now())
        worth = [np.where(unseen, part, np.float32(0.0)) for part in paid]
        return worth[0], worth[1], accepted

    def _tell(self, unseen: BoolArray) -> dict[str, NDArray[Any]]:
        """What the answer about unseen items says of the simulator itself."""
        told = self.nothing_told()
        if "uncertainty" in told:
            each = spreads(self.session, self.num_rows, self.simulator)
            told["uncertainty"], told["accept_uncertainty"] = (
                np.where(unseen, part, np.float32(0.0)) for part in each
            )
        return told

    def nothing_told(self) -> dict[str, NDArray[Any]]:
        """The same before a step."""
        names = ["uncertainty", "accept_uncertainty"] if self.simulator.n_members > 1 else []
        names += ["simulated_reward"] if self.doubt.lowers else []
        told: dict[str, NDArray[Any]] = {
            name: np.zeros(self.num_rows, dtype=np.float32) for name in names
        }
        return told | ({"member": self.members.copy()} if self.doubt.randomise else {})

    def _commit(self, accepted: BoolArray, skipped: BoolArray) -> None:
        """What users took joins their histories, and what they skipped if they remember that."""
        self.session.commit(accepted, **self.simulator.told_skips(skipped))

    def _leave(self, playing: BoolArray) -> BoolArray:
        """Who leaves, or has seen every item, bool (N,); others live on."""
        gone = self.seen.counts == self.n_items
        if self._leaving is None or not self._leaving.after_skips:
            gone |= self.patience_left <= 0
        if self._leaving is not None:
            gone |= self._leaving.leaves(self.session, playing, self.generators)
        gone &= playing
        if self.elsewhere is not None:
            self.elsewhere.step(playing & ~gone)
        return gone

    def _open_row(self, row: int, history: IntArray) -> None:
        unknown = self.simulator.unknown_items(int(self.users[row]))
        self.seen.begin(row, np.concatenate([history, unknown]))
        last = history[-self.recent.shape[1] :]
        self.recent[row] = self.n_items
        self.recent[row, self.recent.shape[1] - len(last) :] = last

    def _check_left(self, rows: IntArray) -> None:
        """Refuse users to whom nothing can be shown."""
        none = rows[self.seen.counts[rows] == self.n_items]
        if len(none):
            name = self.initial_histories.ids[self.users[none[0]]]
            raise SimulatorError(
                f"user {name!r} has no unseen item of which an answer is known; start episodes "
                "from others (users=…)"
            )

    def _draw(self, playing: BoolArray) -> Float64Array:
        """One uniform draw for each row that plays, from the row's own generator."""
        pairs = zip(self.generators, playing.tolist(), strict=True)
        return np.array([generator.random() if plays else 0.0 for generator, plays in pairs])

    def _remember(
        self, shown: BoolArray, items: IntArray, unseen: BoolArray, accepted: BoolArray
    ) -> None:
        self.seen.add(unseen, items)
        if self.shown is not None:
            self.shown.add(shown, items, accepted)
        self._append(accepted, items)

    def _append(self, rows: BoolArray, items: IntArray) -> None:
        """Items that the users of ``rows`` took are their most recent ones."""
        takers = self._rows[rows]
        if len(takers):
            self.recent[takers, :-1] = self.recent[takers, 1:]
            self.recent[takers, -1] = items[takers]

    def _tire(self, playing: BoolArray, accepted: BoolArray) -> None:
        tired = np.maximum(self.patience_left - playing, 0)
        self.patience_left = np.where(accepted, self.patience, tired)
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
