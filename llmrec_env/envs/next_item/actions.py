"""What an action of the next-item environment stands for: an item, or a point in item space.

The rules ask an :class:`ActionMap` which item each action shows, and let it look at the users again
whenever they have changed. Places in a list of candidates are in ``candidates.py``.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.envs.common.checks import check_choices
from llmrec_env.envs.next_item.users_now import UsersNow
from llmrec_env.users.item_space import ItemSpace


class ActionMap(Protocol):
    """Says which item an action shows."""

    @property
    def space(self) -> spaces.Space[Any]:
        """The space of one row's actions."""

    def look(self, users: UsersNow) -> None:
        """The users have changed: get ready for their next actions."""

    def items_of(self, actions: Any, users: UsersNow) -> IntArray:
        """The items that N actions show, int64 (N,).

        Raises:
            InvalidAction: the actions do not fit the rows, or one is none.
        """

    def masks(self, users: UsersNow) -> BoolArray:
        """Which actions show an unseen item, bool (N, number of actions)."""


class Choices(ActionMap, Protocol):
    """An action is a number, of which lists can be made."""

    @property
    def space(self) -> spaces.Discrete:
        """The numbers that there are."""

    def lists_of(self, choices: IntArray, users: UsersNow) -> IntArray:
        """The items that numbers in range stand for, int64 (N, K) both."""


class ItemActions:
    """An action is the index of an item."""

    def __init__(self, n_items: int) -> None:
        self.space = spaces.Discrete(n_items)
        self._n_items = n_items

    def look(self, users: UsersNow) -> None:
        """Nothing: every item is an action at any time."""

    def items_of(self, actions: Any, users: UsersNow) -> IntArray:
        """The actions themselves."""
        return check_choices(actions, len(users.states), self._n_items, "an item index")

    def lists_of(self, choices: IntArray, users: UsersNow) -> IntArray:
        """The choices themselves."""
        return choices

    def masks(self, users: UsersNow) -> BoolArray:
        """The items that a user has not seen."""
        return users.seen.unseen_masks()


class PointActions:
    """An action is a point in item space; the nearest unseen item is shown.

    Args:
        item_space: where the items lie.
    """

    def __init__(self, item_space: ItemSpace) -> None:
        self._item_space = item_space
        self.space = spaces.Box(-1.0, 1.0, (item_space.size,), np.float32)

    def look(self, users: UsersNow) -> None:
        """Nothing: every point is an action at any time."""

    def items_of(self, actions: Any, users: UsersNow) -> IntArray:
        """The unseen items nearest to the points."""
        points = np.asarray(actions)
        expected = (len(users.states), self._item_space.size)
        if points.shape != expected or points.dtype.kind not in "fiu":
            raise InvalidAction(
                f"expected a point of {expected[1]} numbers for each of {expected[0]} rows, got "
                f"{points.dtype} of shape {points.shape}"
            )
        if not np.isfinite(points).all():
            row = int(np.argmin(np.isfinite(points).all(axis=1)))
            raise InvalidAction(f"an action must be finite; row {row} is {points[row].tolist()}")
        inside = np.clip(points, -1.0, 1.0).astype(np.float32)
        seen = [users.seen.of(row) for row in users.rows.tolist()]
        return self._item_space.nearest_rows(inside, seen)

    def masks(self, users: UsersNow) -> BoolArray:
        """There are no masks over points.

        Raises:
            InvalidAction: always.
        """
        raise InvalidAction("a point shows the nearest unseen item: there is nothing to mask")
