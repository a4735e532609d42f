"""Times as seconds: from numbers, dates, moments and texts that say one of these."""

from __future__ import annotations

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import shown

DATES = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
    "%Y/%m/%dT%H:%M:%S%.f",
    "%Y/%m/%dT%H:%M",
    "%Y/%m/%d",
)
OFFSET = r"\s*([+-])(\d{2}):?(\d{2})?$"
UTC = r"(?i)\s*(?:Z|UTC|GMT)$"
CALENDARS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
"""How dates are written as whole numbers, such as 20200131, by the count of their digits."""
UNITS = {"ms": 1e3, "millis": 1e3, "us": 1e6, "micros": 1e6, "ns": 1e9, "nanos": 1e9}
"""Endings of a column's name that say its unit, and how many make a second."""
EXPECTED = "a number of seconds, or an ISO date such as 2020-01-31T12:00:00 or …T12:00:00+02:00"
LIMIT = float(1 << 62)


def unit_of(name: str) -> float:
    """How many of a column's units make a second, by its name: 1,000 for ``time_ms``."""
    return next((size for end, size in UNITS.items() if name.lower().endswith("_" + end)), 1.0)


def calendar_of(times: pl.Series) -> str | None:
    """The pattern of :data:`CALENDARS` by which every value is a date from 1900 to 2100; or None.

    Seconds so small would all lie in the summer of 1970.
    """
    present = _stripped(times).drop_nulls()
    if present.dtype != pl.String and not present.dtype.is_numeric():
        return None
    first = _digits(present.head(1))
    pattern = CALENDARS.get(len(first[0])) if len(first) and first[0] is not None else None
    if pattern is None or _dates(first, pattern).null_count():
        return None
    dates = _dates(_digits(present), pattern)
    years = (1900, 2100)
    return None if dates.null_count() or not dates.dt.year().is_between(*years).all() else pattern


def _digits(times: pl.Series) -> pl.Series:
    """Whole numbers as texts, null where a value is none."""
    if times.dtype == pl.String:
        return times.str.extract(r"^([0-9]+)(?:\.0*)?$")
    whole = times.cast(pl.Int64, strict=False)
    is_whole = whole.cast(pl.Float64) == times.cast(pl.Float64)
    return whole.set(~is_whole.fill_null(False), None).cast(pl.String)


def _dates(digits: pl.Series, pattern: str) -> pl.Series:
    # A space parts the day from the hour, without which polars cannot tell where it begins.
    spaced = digits.str.replace(r"^(\d{8})(\d+)$", "${1} ${2}")
    moment = pattern.replace("%d%H", "%d %H")
    if pattern == CALENDARS[8]:
        return spaced.str.to_date(moment, strict=False).cast(pl.Datetime("us"))
    return spaced.str.to_datetime(moment, time_unit="us", strict=False)


def in_seconds(
    times: pl.Series, where: str, unit: float = 1.0, first_row: int = 0, calendar: str | None = None
) -> pl.Series:
    """Times as numbers of seconds, whole or not; null where they are.

    Args:
        times: numbers, dates, moments or texts.
        where: the file, for errors.
        unit: how many of the numbers make a second.
        first_row: how many rows stand before these, for errors.
        calendar: what :func:`calendar_of` found, where numbers are to be read as dates.

    Raises:
        DataError: a value, or the type of all, says no moment; the message names the first row.
    """
    if times.dtype.is_decimal():
        times = times.cast(pl.Float64)
    times = _stripped(times)
    if calendar is not None:
        seconds = _dates(_digits(times), calendar).dt.timestamp("us") / 1_000_000
    elif times.dtype in (pl.Date, pl.Datetime):
        seconds = times.cast(pl.Datetime("us")).dt.timestamp("us") / 1_000_000
    elif times.dtype.is_numeric():
        seconds = times if unit == 1.0 else times / unit
    elif times.dtype == pl.String:
        seconds = _from_texts(times, unit)
    elif times.dtype == pl.Null:
        return times.cast(pl.Int64)
    else:
        raise DataError(f"{where}: time is of the type {times.dtype}; expected {EXPECTED}")
    _check(times, seconds, where, first_row)
    return seconds


def _stripped(times: pl.Series) -> pl.Series:
    """Texts without white space around them, null where they are empty; others as they are."""
    is_text = times.dtype == pl.String
    return times.str.strip_chars().replace("", None) if is_text else times


def whole_seconds(seconds: pl.Series) -> pl.Series:
    """Seconds as Int64, cut to whole ones."""
    return seconds.floor().cast(pl.Int64) if seconds.dtype.is_float() else seconds.cast(pl.Int64)


def _check(times: pl.Series, seconds: pl.Series, where: str, first_row: int) -> None:
    """Refuse a time that is none, or that lies beyond what 64 bits hold."""
    failed = seconds.is_null() & times.is_not_null()
    if not seconds.dtype.is_integer() or seconds.dtype in (pl.UInt64, pl.Int128):
        size = seconds.cast(pl.Float64).abs()
        failed |= (size.is_nan() | (size >= LIMIT)).fill_null(False)
    rows = failed.arg_true()
    if len(rows) == 0:
        return
    if times.dtype == pl.String:  # a column of numbers but for this one is one of numbers
        worst = (times.cast(pl.Float64, strict=False).is_null() & failed).arg_true()
        rows = worst if len(worst) else rows
    raise DataError(
        f"{where}: time of row {first_row + rows[0] + 1} is {shown(times[int(rows[0])])}; "
        f"expected {EXPECTED}"
    )


def _from_texts(times: pl.Series, unit: float) -> pl.Series:
    """Texts without white space around them as seconds; null where one says no time."""
    nulls = times.null_count()
    for dtype in (pl.Int64, pl.Float64):
        numbers = times.cast(dtype, strict=False)
        if numbers.null_count() == nulls:
            return numbers if unit == 1.0 else numbers / unit
    texts = times.str.replace(UTC, "").str.replace(r"^(\S+)\s+(\d)", "${1}T${2}")
    has_offset = texts.str.contains(r"\d{1,2}:\d{2}.*" + OFFSET)
    parts = texts.str.extract_groups(OFFSET).struct
    local = pl.select(pl.when(has_offset).then(texts.str.replace(OFFSET, "")).otherwise(texts))
    moments = [local.to_series().str.to_datetime(f, time_unit="us", strict=False) for f in DATES]
    seconds = pl.select(pl.coalesce(moments).dt.timestamp("us") / 1_000_000).to_series()
    minutes = parts["2"].cast(pl.Int64, strict=False) * 60
    minutes = minutes + parts["3"].cast(pl.Int64, strict=False).fill_null(0)
    offset = pl.select(pl.when(parts["1"] == "-").then(-minutes).otherwise(minutes)).to_series()
    return pl.select(pl.when(has_offset).then(seconds - 60 * offset).otherwise(seconds)).to_series()
