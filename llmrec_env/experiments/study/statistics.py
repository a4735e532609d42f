"""Means over seeds and splits, and paired differences between rows over the same users.

A difference is that of two rows' means, as a table shows them: over the steps of a split's test
users, then over training seeds, then over splits. How sure it is follows from the users, who are
drawn: a user's contributions from all seeds and splits are one cluster (they go together), and the
interval and the p-value are those of a paired t-test over clusters. With one split and as many
steps for every user this is the textbook's paired t-test. It says nothing of other training users
or other training seeds: :class:`Difference` gives beside it how the runs scatter and how many
splits agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from llmrec_env.common.arrays import Float64Array
from llmrec_env.common.errors import DataError
from llmrec_env.common.extras import require

LEVEL = 0.95


class Spread(NamedTuple):
    """A mean over runs, and how the runs scatter.

    Attributes:
        mean: over splits of the means over seeds.
        over_seeds: standard deviation over training seeds within a split, pooled; None with one.
        over_splits: standard deviation of the splits' means; None with one split.
    """

    mean: float
    over_seeds: float | None
    over_splits: float | None


def spread(values: Mapping[int, Sequence[float]]) -> Spread:
    """Mean and standard deviations of the runs' values, given by split."""
    parts = [np.asarray(values[split], dtype=np.float64) for split in sorted(values)]
    means = np.array([part.mean() for part in parts])
    freedom = sum(len(part) - 1 for part in parts)
    squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    return Spread(
        float(means.mean()),
        math.sqrt(squares / freedom) if freedom else None,
        float(means.std(ddof=1)) if len(means) > 1 else None,
    )


@dataclass(frozen=True)
class Difference:
    """How much higher one row stands than another.

    Attributes:
        mean: the difference.
        low: lower end of its 95% interval over users.
        high: upper end.
        p: two-sided p-value of no difference.
        relative: the difference as a share of the other row's mean.
        splits: difference on each split, in the order of their seeds.
        over_runs: standard deviation of the differences of paired runs, or None with one pair.
        users: how many different users were compared.
    """

    mean: float
    low: float
    high: float
    p: float
    relative: float
    splits: tuple[float, ...]
    over_runs: float | None
    users: int

    @property
    def agreeing(self) -> int:
        """Splits whose difference has the sign of the mean."""
        return sum(np.sign(split) == np.sign(self.mean) for split in self.splits)


def paired_difference(
    ours: pl.DataFrame, theirs: pl.DataFrame, metric: str = "NDCG@10"
) -> Difference:
    """Compare two rows of a table, user by user.

    Args:
        ours: one row for each run and test user: ``split``, ``seed`` (null in all rows where the
            ranker has none), ``user_id``, ``steps`` and the metric, a mean over the user's steps.
        theirs: the same of the other row. Runs are paired by split and, where both have one, seed.
        metric: which column.

    Raises:
        DataError: no run of the one has its pair in the other, or the pairs have other users.
        MissingExtraError: scipy is not installed.
    """
    pairs = _paired(ours, theirs, metric)
    cells = _per_user(pairs)
    n_splits = cells["split"].n_unique()
    share = pl.col("steps") / (pl.col("steps").sum().over("split") * n_splits)
    cells = cells.with_columns(share.alias("share"))
    by_user = (
        cells.group_by("user_id")
        .agg((pl.col("share") * pl.col("gain")).sum().alias("gain"), pl.col("share").sum())
        .sort("user_id")
    )
    gains, shares = by_user["gain"].to_numpy(), by_user["share"].to_numpy()
    mean = float(gains.sum())
    low, high, p = _t_test(gains, shares, mean)
    by_split = cells.group_by("split").agg(_step_mean("gain"))
    base = float((cells["share"] * cells["base"]).sum())
    return Difference(
        mean=mean,
        low=low,
        high=high,
        p=p,
        relative=mean / base if base else math.nan,
        splits=tuple(by_split.sort("split")["gain"].to_list()),
        over_runs=_scatter(pairs),
        users=by_user.height,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down rule, in the order given."""
    n = len(p_values)
    corrected = [0.0] * n
    largest = 0.0
    for rank, place in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (n - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def _paired(ours: pl.DataFrame, theirs: pl.DataFrame, metric: str) -> pl.DataFrame:
    """``split``, ``seed``, ``user_id``, ``steps``, ``gain`` and ``base`` (theirs), run by run."""
    seedless = [side["seed"].null_count() > 0 for side in (ours, theirs)]
    keys = ["split"] if any(seedless) else ["split", "seed"]
    shared = ours.select(keys).unique().join(theirs.select(keys).unique(), on=keys)
    if not shared.height:
        raise DataError("no run of the one row has the split and seed of a run of the other")
    pairs = ours.join(theirs, on=[*keys, "user_id", "steps"], suffix=" of the other")
    for side in (ours, theirs):
        known = side.join(shared, on=keys, how="semi")
        if known.join(pairs, on=[*keys, "user_id"], how="anti").height:
            raise DataError("paired runs have other test users or steps: they are of two splits")
    own_seed = pl.coalesce("seed", *(["seed of the other"] if any(seedless) else []))
    return pairs.select(
        "split",
        own_seed.alias("seed"),
        "user_id",
        "steps",
        (pl.col(metric) - pl.col(f"{metric} of the other")).alias("gain"),
        pl.col(f"{metric} of the other").alias("base"),
    ).sort("split", "seed", "user_id")  # sums then have one order, down to the last bit


def _per_user(pairs: pl.DataFrame) -> pl.DataFrame:
    """Means over seeds: one row for each user of each split, in a fixed order."""
    means = pairs.group_by("split", "user_id").agg(
        pl.col("steps").first(), pl.col("gain").mean(), pl.col("base").mean()
    )
    return means.sort("split", "user_id")


def _step_mean(column: str) -> pl.Expr:
    """The mean over steps of what stands in a column as each user's mean."""
    return ((pl.col("steps") * pl.col(column)).sum() / pl.col("steps").sum()).alias(column)


def _scatter(pairs: pl.DataFrame) -> float | None:
    runs = pairs.group_by("split", "seed").agg(_step_mean("gain")).sort("split", "seed")
    return float(runs["gain"].to_numpy().std(ddof=1)) if runs.height > 1 else None


def _t_test(gains: Float64Array, shares: Float64Array, mean: float) -> tuple[float, float, float]:
    """95% interval and p-value of a sum of users' contributions, whose shares sum to 1."""
    n = len(gains)
    residuals = gains - shares * mean
    error = math.sqrt(float((residuals**2).sum()) * n / max(1, n - 1))
    if n < 2:
        return -math.inf, math.inf, 1.0
    if error == 0.0:
        return mean, mean, 1.0 if mean == 0.0 else 0.0
    student = require("scipy.stats", "bench").t(n - 1)
    reach = float(student.ppf(0.5 + LEVEL / 2)) * error
    return mean - reach, mean + reach, 2 * float(student.sf(abs(mean) / error))
