"""Ids as text and ratings as numbers, whatever type a table keeps them in."""

from __future__ import annotations

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import shown

TEXTS = (pl.String, pl.Categorical, pl.Enum, pl.Binary, pl.Null)


def as_ids(values: pl.Series, where: str) -> pl.Series:
    """A column of ids as text; whole numbers that are stored as floats lose their ``.0``.

    Args:
        values: texts or whole numbers; its name is that of the column.
        where: the table, for errors.

    Returns:
        String; null where an id is missing or NaN.

    Raises:
        DataError: the column is of another type, or holds numbers that are not whole.
    """
    dtype = values.dtype
    if dtype.is_float():
        values = _whole(values.fill_nan(None), where)
    elif not (dtype.is_integer() or dtype in TEXTS):
        raise DataError(
            f"{where}: {values.name} is of the type {dtype}; expected texts or whole numbers, one "
            "in every row"
        )
    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:
        raise DataError(f"{where}: {values.name} holds bytes that are not UTF-8 text") from None


def _whole(values: pl.Series, where: str) -> pl.Series:
    numbers = values.cast(pl.Int64, strict=False)
    odd = values.filter((numbers.cast(values.dtype) != values).fill_null(values.is_not_null()))
    if len(odd):
        raise DataError(
            f"{where}: {values.name} holds numbers that are not whole, such as {odd[0]}; expected "
            "texts or whole numbers"
        )
    return numbers


def as_numbers(values: pl.Series, where: str) -> pl.Series:
    """A column of ratings or weights as numbers.

    Args:
        values: numbers, or texts that say numbers; its name is that of the column.
        where: the table, for errors.

    Returns:
        Float32; null where a number is missing.

    Raises:
        DataError: the column is of another type, or a text says no number.
    """
    if not (values.dtype.is_numeric() or values.dtype in (pl.String, pl.Null)):
        raise DataError(
            f"{where}: {values.name} is of the type {values.dtype}; expected numbers in that column"
        )
    numbers = values.cast(pl.Float32, strict=False)
    failed = (numbers.is_null() & values.is_not_null()).arg_true()
    if len(failed):
        raise DataError(
            f"{where}: {values.name} of row {failed[0] + 1} is {shown(values[int(failed[0])])}; "
            "expected a number"
        )
    return numbers
