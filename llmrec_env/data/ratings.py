"""Ratings: which rated interactions are takes."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray
from llmrec_env.common.errors import DataError
from llmrec_env.data.values import as_numbers

Liked = float | Callable[[pl.Series], Any]
"""The least rating that counts as a take, or a function from ratings to true and false."""


def read_ratings(
    table: pl.DataFrame, name: str | Path, liked: Liked | None = None
) -> tuple[pl.DataFrame, str]:
    """Keep the rows of a raw table that are takes, by their rating.

    Args:
        table: one row an interaction; ``rating`` may be missing in some.
        name: what to call the table in an error.
        liked: what counts as a take; None: every row. A row without a rating counts.

    Returns:
        The table, and what was done in one sentence (empty without ratings).

    Raises:
        DataError: ``liked`` is given without ratings, is no rule, or leaves no row.
    """
    if "rating" not in table.columns:
        if liked is not None:
            raise DataError(
                f"{name}: no ratings, so none can be asked for (liked={liked!r}); leave out "
                "liked (--min-rating)"
            )
        return table, ""
    ratings = as_numbers(table["rating"], str(name))
    rated = ratings.drop_nulls().to_numpy()
    span = f"{rated.min():g} to {rated.max():g}, mean {rated.mean():.2f}" if len(rated) else "none"
    if liked is None:
        return table, (
            f"ratings ({span}) are kept and do not say what was taken: every rated item counts as "
            "taken, whatever its rating; with liked=R (--min-rating R) only those from R up do"
        )
    taken = _taken(ratings, liked, name)
    if not taken.any():
        raise DataError(
            f"{name}: none of the {table.height:,} interactions is liked (ratings {span}); ask for "
            "less"
        )
    rule = f"a rating of {float(liked):g} or more" if not callable(liked) else "the given rule"
    if missing := ratings.null_count():
        rule += f" or none at all ({missing:,})"
    users = table["user_id"].n_unique() - table.filter(taken)["user_id"].n_unique()
    return table.filter(taken), (
        f"ratings ({span}): {int(taken.sum()):,} of {table.height:,} interactions count as taken, "
        f"by {rule}; the other {int((~taken).sum()):,} are left out, and with them {users:,} "
        "users who liked nothing"
    )


def _taken(ratings: pl.Series, liked: Liked, name: str | Path) -> BoolArray:
    missing = ratings.is_null().to_numpy()
    if callable(liked):
        answers = np.asarray(liked(ratings))
        if answers.shape != (len(ratings),) or answers.dtype.kind not in "bO":
            raise DataError(
                f"{name}: liked(ratings) must give {len(ratings)} truth values, got "
                f"{answers.dtype} of shape {answers.shape}"
            )
        return np.asarray([bool(answer) for answer in answers]) | missing
    if isinstance(liked, bool) or not isinstance(liked, Real) or not np.isfinite(float(liked)):
        raise DataError(f"liked must be a rating or a function of ratings, got {liked!r}")
    return (ratings >= float(liked)).fill_null(True).to_numpy()
