"""The dynamics of the slate environment for N users: which item is looked at, taken, paid for.

A row is one user in one episode. :class:`SlateEnv` is these rules with one row,
:class:`SlateVectorEnv` with many, so both follow the same ones:

* A slate is a list of K items. The user looks down the list and looks closer at one item: at which
  is drawn by its place and by what draws the user's eye (``choice.py``).
* The user likes the item looked at and takes it, or not, as in the next-item environment. So one
  item a step is asked about, however long the list is, and only that one becomes seen.
* One uniform draw a step decides both, so that two policies with the same seed face the same luck.
* A place is *stale* where its item was seen before or stands further up in the list. With
  ``seen="replace"`` the nearest unseen item that is not in the list is shown in its place; with
  ``seen="pay_nothing"``, or where no item is left, the user passes it over.
* Each slate of which nothing is taken costs one patience.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction

from llmrec_env.common.arrays import BoolArray, Float64Array, FloatArray, IntArray, repeats
from llmrec_env.common.checks import check_counts, check_number
from llmrec_env.common.errors import SettingError, SimulatorError
from llmrec_env.common.wording import shown
from llmrec_env.envs.next_item.actions import Choices
from llmrec_env.envs.next_item.candidates import CandidateActions
from llmrec_env.envs.next_item.doubt import Doubt
from llmrec_env.envs.next_item.leaving import PATIENCE
from llmrec_env.envs.next_item.users_in_episodes import SHOWN_LENGTH, UsersInEpisodes
from llmrec_env.envs.slate.choice import draw_places, look_probabilities
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.item_space import item_space_of

REWARDS = ("list", "taken")


class SlateOutcome(NamedTuple):
    """What one step brought to N rows.

    Attributes:
        slates: int64 (N, K), the items shown.
        replaced: bool (N, K), whether the item stands in the place of a stale one.
        look_probability: float64 (N, K), how likely each place was looked at.
        places: int64 (N,), the place looked at, from 0; -1 where all were passed over.
        items: int64 (N,), the item there; the first of the slate where all were passed over.
        rewards: the named terms, float32 (N,) each; ``"list"``: the liking of the item looked at,
            ``"taken"``: the same where it was taken.
        reward: float32 (N,), the term that ``reward_on`` names.
        accepted: bool (N,), whether the item was taken.
        terminated: bool (N,), whether the user left, or has seen every item.
    """

    slates: IntArray
    replaced: BoolArray
    look_probability: Float64Array
    places: IntArray
    items: IntArray
    rewards: dict[str, FloatArray]
    reward: FloatArray
    accepted: BoolArray
    terminated: BoolArray


class SlateRules(UsersInEpisodes[SlateOutcome]):
    """N users who are shown a list of K items a step.

    Args:
        simulator: who answers; its ``users`` start the episodes.
        num_rows: how many users are asked at once, N.
        slate_size: items in a list, K.
        position_bias: how much less places further down are looked at, at least 0.
        patience: slates in a row, of which nothing is taken, that a user bears.
        reward_on: which reward term is paid, ``"list"`` or ``"taken"``.
        history_length: how many of the last items ``recent`` keeps.
        seen: what becomes of a stale place, ``"replace"`` or ``"pay_nothing"``.
        shown_length: how many of the items looked at ``shown`` keeps.
        actions: what a number in a place of the action stands for; the index of an item where None.
        doubt: what is paid where the simulator may be wrong; what it says where None.
        leaving: when users leave, ``"patience"`` or ``"learned"``.

    Attributes:
        slate_size: K.
        position_bias: as given.

    Raises:
        SettingError: an argument is out of range.
    """

    terms = REWARDS
    actions: Choices

    def __init__(
        self,
        simulator: UserSimulator,
        num_rows: int = 1,
        slate_size: int = 10,
        position_bias: float = 1.0,
        patience: int = 5,
        reward_on: str = "list",
        history_length: int = 50,
        seen: str = "replace",
        shown_length: int = SHOWN_LENGTH,
        actions: Choices | None = None,
        doubt: Doubt | None = None,
        leaving: str = PATIENCE,
    ) -> None:
        super().__init__(
            simulator,
            num_rows,
            patience,
            reward_on,
            history_length,
            seen,
            shown_length,
            actions,
            doubt,
            leaving,
        )
        check_counts(slate_size=slate_size)
        self._choices = int(self.actions.space.n)
        if slate_size > self._choices:
            raise SettingError(
                f"slate_size must be at most {self._choices}, of which a slate is chosen; got "
                f"{slate_size}"
            )
        self.slate_size = int(slate_size)
        self.position_bias = check_number("position_bias", position_bias, 0.0)
        self.action_space = spaces.MultiDiscrete([self._choices] * self.slate_size)

    def action_masks(self) -> BoolArray:
        """Bool (N, K * choices): for each place in turn, which numbers stand for unseen items."""
        return np.tile(super().action_masks(), self.slate_size)

    def step(self, actions: Any, playing: BoolArray) -> SlateOutcome:
        """Show the slate ``actions[i]`` to the user of each row that is playing.

        Args:
            actions: N slates, integers (N, K).
            playing: bool (N,); a row that is not playing draws nothing and does not change.

        Raises:
            InvalidAction: the actions do not fit the rows, or one is no slate.
        """
        slates = self._slates_of(actions)
        uniform = self._draw(playing)
        slates, replaced, offered = self._offer(slates, playing)
        looks = look_probabilities(self._attraction(slates), offered, self.position_bias)
        places, rest = draw_places(looks, uniform)
        items = slates[self._rows, np.maximum(places, 0)]
        looked = playing & (places >= 0)
        worth, _, accepted = self._ask(playing, items, looked, looked, rest)
        rewards = {"list": worth, "taken": np.where(accepted, worth, np.float32(0.0))}
        reward, gone = rewards[self.reward_on], self._leave(playing)
        return SlateOutcome(slates, replaced, looks, places, items, rewards, reward, accepted, gone)

    def _slates_of(self, actions: Any) -> IntArray:
        """The items that N actions name, int64 (N, K)."""
        expected = (self.num_rows, self.slate_size)
        try:
            array = np.asarray(actions)
        except ValueError:  # rows of several lengths
            array = np.empty(0, dtype=object)
        fits = array.shape == expected and array.dtype.kind in "iu"
        if not fits or not 0 <= array.min() <= array.max() < self._choices:
            candidates = isinstance(self.actions, CandidateActions)
            what = "places of candidates" if candidates else "item indices"
            rows = "" if self.num_rows == 1 else f" for each of {self.num_rows} rows"
            raise InvalidAction(
                f"expected a slate of {self.slate_size} {what}, integers in [0, {self._choices})"
                f"{rows}; got {shown(actions)}"
            )
        return self.actions.lists_of(array.astype(np.int64), self.now())

    def _offer(self, slates: IntArray, playing: BoolArray) -> tuple[IntArray, BoolArray, BoolArray]:
        """The slates as shown, which places were replaced, and which show something new."""
        stale = self.seen.has_each(slates) | repeats(slates)
        replaced = np.zeros_like(stale)
        if self.replaces:
            slates = slates.copy()
            for row in np.flatnonzero(playing & stale.any(axis=1)).tolist():
                replaced[row] = self._replace_in(row, slates[row], stale[row])
        return slates, replaced, ~stale | replaced

    def _replace_in(self, row: int, slate: IntArray, stale: BoolArray) -> BoolArray:
        """Put the nearest unseen items, while there are some, in the stale places of one slate."""
        space, replaced = item_space_of(self.simulator), np.zeros_like(stale)
        left_out = np.concatenate([self.seen.of(row), slate[~stale]])
        places = np.flatnonzero(stale)[: self.n_items - len(left_out)]
        slate[places] = space.nearest_each(space.points[slate[places]], left_out)
        replaced[places] = True
        return replaced

    def _attraction(self, slates: IntArray) -> FloatArray:
        found = self.simulator.attraction(self.session, slates)
        if found.shape != slates.shape or not np.isfinite(found).all():
            raise SimulatorError(
                f"{type(self.simulator).__name__} gave attractions of shape {found.shape}; "
                f"expected finite numbers of shape {slates.shape}"
            )
        return found
