"""Who recommended while a world's log was made: by popularity, uniformly, or a good recommender.

A logging policy gives every item a share, which sum to one; a slate of items is drawn from the
shares with repeats, and the user takes one of them. What the policy chose is the slate, what the
user chose is the item. So the propensity of a logged item is the probability that the slate held
it, given what the user had taken by then::

    propensity(i) = 1 - (1 - share_i)^slate_size
    propensity(i) + (seen share)^slate_size          for the unseen item of the largest share, which
                                                     is offered to a user who had seen a whole slate
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.common.settings_types import check_types
from llmrec_env.data.world.taste import TasteModel

Recommending = Literal["popularity", "uniform", "recommender"]


@dataclass(frozen=True)
class LoggingParameters:
    """Who recommended, and what of it the log keeps.

    Attributes:
        policy: "popularity" offers items in proportion to their exposure, whoever is asked;
            "uniform" all alike; "recommender" what it believes the user to like, having learned the
            items' factors and qualities, and knowing of a user what they took.
        sharpness: of the softmax of the recommender's scores by which it offers items.
        explore: share of what it offers uniformly, so that no unseen item is impossible.
        learned: how far it trusts a user's history: the taste that it believes in is this times
            ``sum(f - mean f) / (n + 4)`` over the n items taken.
        kept_skips: how many of the unseen items that stood in a slate beside the taken one the log
            keeps as shown and not taken, at most.

    Raises:
        SettingError: one is out of range.
    """

    policy: Recommending = "popularity"
    sharpness: float = 2.5
    explore: float = 0.1
    learned: float = 5.0
    kept_skips: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        if self.policy not in get_args(Recommending):
            raise SettingError(
                f"logging must be {', '.join(map(repr, get_args(Recommending)))}, "
                f"got {self.policy!r}"
            )
        if not (0.0 < self.explore <= 1.0 and self.sharpness >= 0.0 and self.kept_skips >= 0):
            raise SettingError(
                "logging: explore lies in (0, 1], sharpness and kept_skips are 0 or more; got "
                f"{self.explore}, {self.sharpness} and {self.kept_skips}"
            )


class LoggingPolicy(Protocol):
    """Offers items to users, and learns what they took."""

    def weights(self, rows: IntArray, seen: BoolArray) -> Float64Array:
        """How probable each item is in one place of a slate, up to a factor.

        Args:
            rows: int64 (M,), the users.
            seen: bool (M, n_items), what each of them has taken.

        Returns:
            float64 (n_items,) where it is one for all users, or (M, n_items).
        """
        ...

    def learn(self, rows: IntArray, items: IntArray) -> None:
        """The users of int64 (M,) took these items."""
        ...


class SameForAll:
    """Offers items by shares that are one for all users, seen items too.

    Args:
        weights: float64 (n_items,), the shares up to a factor.
    """

    def __init__(self, weights: Float64Array) -> None:
        self._weights = weights

    def weights(self, rows: IntArray, seen: BoolArray) -> Float64Array:
        """The weights of the shares, float64 (n_items,)."""
        return self._weights

    def learn(self, rows: IntArray, items: IntArray) -> None:
        """Nothing changes."""


class GoodRecommender:
    """Offers unseen items by the softmax of what it believes the users' utilities to be.

    Args:
        model: whose factors and qualities it knows.
        n_users: how many users there are.
        p: how sure of itself it is.
    """

    def __init__(self, model: TasteModel, n_users: int, p: LoggingParameters) -> None:
        self._p, self._factors = p, model.factors
        self._base = model.parameters.quality_weight * model.quality
        self._sums = np.zeros((n_users, model.factors.shape[1]))
        self._counts = np.zeros(n_users)

    def weights(self, rows: IntArray, seen: BoolArray) -> Float64Array:
        """Float64 (M, n_items), 0 for seen items; rows sum to one."""
        taste = self._p.learned * self._sums[rows] / (self._counts[rows, None] + 4.0)
        scores = self._base + np.einsum("mk,nk->mn", taste, self._factors)
        weights = np.exp(self._p.sharpness * (scores - scores.max(axis=1, keepdims=True)))
        weights[seen] = 0.0
        unseen = ~seen / (~seen).sum(axis=1, keepdims=True)
        own = weights / weights.sum(axis=1, keepdims=True)
        return (1.0 - self._p.explore) * own + self._p.explore * unseen

    def learn(self, rows: IntArray, items: IntArray) -> None:
        """The users' sums of factors grow."""
        self._sums[rows] += self._factors[items] - self._factors.mean(axis=0)
        self._counts[rows] += 1.0


def logging_policy(
    p: LoggingParameters, model: TasteModel, exposure: Float64Array, n_users: int
) -> LoggingPolicy:
    """The policy that parameters describe, at its beginning.

    Args:
        p: the parameters.
        model: the world's items.
        exposure: float64 (n_items,), the shares of the policy by popularity up to a factor.
        n_users: how many users there are.
    """
    if p.policy == "recommender":
        return GoodRecommender(model, n_users, p)
    return SameForAll(exposure if p.policy == "popularity" else np.ones_like(exposure))


def draw_slates(
    weights: Float64Array, n_rows: int, size: int, rng: np.random.Generator
) -> IntArray:
    """Slates of items drawn with repeats, int64 (n_rows, size).

    Args:
        weights: float64 (n_items,), or a row a user (n_rows, n_items), as a policy gave them.
        n_rows: how many slates.
        size: items of a slate.
        rng: draws one number an item.
    """
    luck = rng.random((n_rows, size))
    if weights.ndim == 1:
        return np.searchsorted((np.cumsum(weights) / weights.sum())[:-1], luck)
    ends = np.cumsum(weights, axis=1)
    ends /= ends[:, -1:]
    rows = np.arange(n_rows)[:, None]
    places = np.searchsorted((ends + rows).ravel(), (luck + rows).ravel(), side="right")
    return np.minimum(places.reshape(n_rows, size) - rows * ends.shape[1], ends.shape[1] - 1)


def propensities(
    weights: Float64Array, items: IntArray, seen: BoolArray, size: int
) -> Float64Array:
    """The probability that each user was shown an item, float64 (M,), before the slate was drawn.

    Args:
        weights: float64 (n_items,) or (M, n_items), as a policy gave them.
        items: int64 (M,), unseen.
        seen: bool (M, n_items).
        size: items of a slate.
    """
    shares = np.broadcast_to(weights / weights.sum(axis=-1, keepdims=True), seen.shape)
    found = 1.0 - (1.0 - shares[np.arange(len(items)), items]) ** size
    is_next = np.where(seen, -np.inf, shares).argmax(axis=1) == items
    return found + is_next * (shares * seen).sum(axis=1) ** size
