"""The dynamics of the next-item environment for N users: rewards, accept or skip.

A row is one user in one episode. :class:`NextItemEnv` is these rules with one row,
:class:`NextItemVectorEnv` with many, so both follow the same ones:

* The reward of an unseen item is the user's liking of it; the user accepts it with their accept
  probability.
* With ``seen="pay_nothing"`` the reward of a seen item is 0. It is never accepted, but still
  consumes a random draw, so that two policies with the same seed face the same luck.
* With ``seen="replace"`` the unseen item nearest to it is shown in its place.

What is seen, and when a user leaves, stands in ``users_in_episodes.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.envs.next_item.users_in_episodes import UsersInEpisodes
from llmrec_env.users.item_space import item_space_of

REWARDS = ("shown", "accept", "chance")


class Outcome(NamedTuple):
    """What one step brought to N rows.

    Attributes:
        items: int64 (N,), the items shown.
        replaced: bool (N,), whether the item stands in the place of a seen one.
        rewards: the named terms, float32 (N,) each; ``"shown"``: the liking of an unseen item,
            ``"accept"``: the same where it was taken, ``"chance"``: the probability of taking it.
        reward: float32 (N,), the term that ``reward_on`` names.
        accepted: bool (N,), whether the item was taken.
        terminated: bool (N,), whether the user left, or has seen every item.
    """

    items: IntArray
    replaced: BoolArray
    rewards: dict[str, FloatArray]
    reward: FloatArray
    accepted: BoolArray
    terminated: BoolArray


class NextItemRules(UsersInEpisodes[Outcome]):
    """N users who are shown one item a step; the arguments are those of the base class."""

    terms = REWARDS

    def step(self, actions: Any, playing: BoolArray) -> Outcome:
        """Show the item of ``actions[i]`` to the user of each row that is playing.

        Args:
            actions: N actions, as :attr:`actions` reads them.
            playing: bool (N,); a row that is not playing draws nothing and does not change.

        Raises:
            InvalidAction: the actions do not fit the rows, or one is none.
        """
        items = self.actions.items_of(actions, self.now())
        uniform = self._draw(playing)
        seen = playing & self.seen.has(items)
        replaced = seen & self.replaces
        items = self._replace(items, replaced)
        unseen = playing & (replaced | ~seen)
        shown, chance, accepted = self._ask(playing, items, playing, unseen, uniform)
        taken = np.where(accepted, shown, np.float32(0.0))
        rewards = {"shown": shown, "accept": taken, "chance": chance}
        reward, gone = rewards[self.reward_on], self._leave(playing)
        return Outcome(items, replaced, rewards, reward, accepted, gone)

    def _replace(self, items: IntArray, rows: BoolArray) -> IntArray:
        """The unseen item nearest to the user's own, in the place of those of ``rows``."""
        places = np.flatnonzero(rows)
        if not len(places):
            return items
        space, items = item_space_of(self.simulator), items.copy()
        seen = [self.seen.of(row) for row in places.tolist()]
        items[places] = space.nearest_rows(space.points[items[places]], seen)
        return items
