"""``ShopResults``: what a shopper earned, goal by goal, with intervals over products."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmrec_env.common.arrays import BoolArray, Float64Array, IntArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import local_path, read_json, write_json
from llmrec_env.evaluation.intervals import Z95, Interval

MALFORMED = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, eq=False)
class ShopResults:
    """What was earned, an episode a goal.

    Attributes:
        goals: int64 (n,), indices of the goals.
        products: the asin of each goal's product, (n,).
        rewards: float64 (n,) in [0, 1]; 0 where nothing was bought.
        successes: bool (n,), a reward of 1.
        lengths: int64 (n,), steps.
        options: float64 (n,), 1 where something was bought with all the options that were asked
            for, as whole values, whichever reward rule judged it; else 0, and NaN where the goal
            asks for none.
        origin: what they are of: ``protocol`` (its name), ``hash`` and ``split`` where there is
            one, the form of observation, the mode of actions, the seed of a sampled evaluation.
    """

    goals: IntArray
    products: NDArray[np.str_]
    rewards: Float64Array
    successes: BoolArray
    lengths: IntArray
    options: Float64Array
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> Interval:
        """100 times the mean reward, with its 95% interval."""
        return _per_cent(self.rewards, self.products)

    @property
    def success(self) -> Interval:
        """The share of goals with a reward of 1 in per cent, with its 95% interval."""
        return _per_cent(self.successes.astype(np.float64), self.products)

    @property
    def options_chosen(self) -> Interval | None:
        """Of the runs whose goal asks for options, the per cent that bought with all of them
        chosen, with its 95% interval; None where no goal asks for any."""
        asked = ~np.isnan(self.options)
        return _per_cent(self.options[asked], self.products[asked]) if asked.any() else None

    def success_above(self, other: ShopResults) -> Interval:
        """How much higher the success is than another's on the same goals, in points of per cent.

        Paired, so that hard goals are hard for both: narrower than two intervals side by side.

        Raises:
            SettingError: the other's goals are others, or by another protocol.
        """
        named = (self.origin.get("hash"), other.origin.get("hash"))
        same = np.array_equal(self.goals, other.goals)
        if named[0] != named[1] or not same or not np.array_equal(self.products, other.products):
            raise SettingError("results are compared on the same goals of the same protocol")
        difference = 100.0 * (self.successes.astype(np.float64) - other.successes)
        return bounded_interval(difference, self.products, -100.0, 100.0)

    def summary(self) -> dict[str, Any]:
        """Success, score and options as ``[mean, low, high]``, and counts."""
        chosen = self.options_chosen
        return {
            "success": list(self.success),
            "score": list(self.score),
            "options_chosen": None if chosen is None else list(chosen),
            "steps": float(self.lengths.mean()),
            "goals": len(self.goals),
            "products": len(set(self.products.tolist())),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain values: the origin, the summary, and each episode."""
        options = [None if np.isnan(value) else value for value in self.options.tolist()]
        return {
            "origin": dict(self.origin),
            "summary": self.summary(),
            "goals": self.goals.tolist(),
            "products": self.products.tolist(),
            "rewards": self.rewards.tolist(),
            "successes": self.successes.tolist(),
            "lengths": self.lengths.tolist(),
            "options": options,
        }

    @classmethod
    def from_json(cls, values: Any, where: str = "results") -> ShopResults:
        """What :meth:`to_json` gave.

        Raises:
            DataError: it is something else; the message begins with ``where``.
        """
        try:
            options = [np.nan if value is None else value for value in values["options"]]
            results = cls(
                np.array(values["goals"], dtype=np.int64),
                np.array(values["products"], dtype=np.str_),
                np.array(values["rewards"], dtype=np.float64),
                np.array(values["successes"], dtype=np.bool_),
                np.array(values["lengths"], dtype=np.int64),
                np.array(options, dtype=np.float64),
                dict(values["origin"]),
            )
        except MALFORMED as error:
            raise DataError(f"{where}: no results of a shop ({error!r:.200})") from None
        columns = (results.goals, results.products, results.rewards, results.successes)
        shapes = {column.shape for column in (*columns, results.lengths, results.options)}
        if len(shapes) != 1 or results.goals.ndim != 1 or not len(results.goals):
            raise DataError(f"{where}: no results of a shop (columns of other lengths: {shapes})")
        return results

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them as JSON, whole or not at all."""
        write_json(path, self.to_json(), sort_keys=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ShopResults:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: the file cannot be read, or holds something else.
        """
        place = local_path(path, "results")
        try:
            return cls.from_json(read_json(place), str(path))
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _per_cent(values: Float64Array, products: NDArray[np.str_]) -> Interval:
    """In per cent, within what is possible."""
    return bounded_interval(100.0 * values, products, 0.0, 100.0)


def bounded_interval(
    values: Float64Array, clusters: NDArray[np.str_], lowest: float, highest: float
) -> Interval:
    """:func:`clustered_interval` of values that lie within bounds, so that it does too.

    A single cluster says nothing of others: then it is all that is possible.
    """
    mean, low, high = clustered_interval(values, clusters)
    mean = min(max(mean, lowest), highest)  # the mean of many 100s may be 100.00000000000001
    if len(set(clusters.tolist())) < 2:
        return Interval(mean, lowest, highest)
    return Interval(mean, max(lowest, low), min(highest, high))


def clustered_interval(values: Float64Array, clusters: NDArray[np.str_]) -> Interval:
    """The mean and its 95% interval, where values of one cluster go together.

    Goals of one product succeed and fail together, so products count, not goals (cluster-robust
    standard error of a mean, normal approximation).
    """
    mean = float(values.mean())
    _, number = np.unique(clusters, return_inverse=True)
    sums = np.bincount(number, weights=values - mean)
    n = len(sums)
    error = float(np.sqrt((sums**2).sum() * n / max(1, n - 1))) / len(values)
    return Interval(mean, mean - Z95 * error, mean + Z95 * error)
