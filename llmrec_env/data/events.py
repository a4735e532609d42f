"""Kinds of events: which names count as a click, which as a purchase, and which rows are none.

Logs of shops and feeds say what happened in a column of names. The names that their publishers use
are known here; any other is refused when the log is read, unless the caller says what it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, FloatArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.wording import listed, shown
from llmrec_env.data.values import as_ids

_CLICKS = """
    view click pageview page_view product_view item_view view_item detail detail_view view_detail
    detailpageview pv clk visit open read watch play listen stream download like fav favorite
    favourite collect bookmark save wishlist add_to_wishlist share comment follow rate rating review
    checkin check_in
"""
_PURCHASES = """
    addtocart cart basket add_to_basket purchase purchased transaction buy bought order ordered
    checkout sale conversion rent
"""
CLICKS, PURCHASES = tuple(_CLICKS.split()), tuple(_PURCHASES.split())
CLICK_REWARD, PURCHASE_REWARD = 0.2, 1.0
"""What a click and a purchase are worth, as in the SQN line of work, unless one says otherwise."""
KINDS = ("click", "purchase", "drop")

Events = Mapping[str, str | float]
"""What an event is: ``click``, ``purchase``, ``drop`` (its rows are left out), or its reward."""


def purchased(events: pl.Series, others: Iterable[str] = ()) -> BoolArray:
    """Which events of a log are one of :data:`PURCHASES` and not of :data:`CLICKS`, bool (n,).

    Upper and lower case, ``-``, ``_`` and spaces are alike.

    Args:
        events: the names of the events.
        others: names that are known besides and count as clicks.

    Raises:
        DataError: an event is neither.
    """
    kinds = _kinds(events.unique().drop_nulls(), dict.fromkeys(others, "click"))
    unknown = events.filter(~events.is_in(list(kinds)).fill_null(False))
    if len(unknown):
        raise DataError(f"the log has {_refusal(unknown[0])}; rename the events or drop the column")
    return events.is_in([name for name, kind in kinds.items() if kind == "purchase"]).to_numpy()


def kinds_of_events(events: pl.Series, own: Iterable[str] = ()) -> pl.Series:
    """The kind of every event, String (n,): "click", "purchase", or its name where unknown.

    Args:
        events: the names of the events.
        own: names that stand for themselves whatever else they mean.
    """
    kinds = _kinds(events.unique().drop_nulls(), {})
    return events.replace({name: kind for name, kind in kinds.items() if name not in set(own)})


def event_strengths(
    events: pl.Series, own: Mapping[str, float] = MappingProxyType({})
) -> FloatArray:
    """How strong a sign of liking each event is: its reward, float32 (n,); NaN where unknown.

    Args:
        events: their names; null where there is none.
        own: events that have a reward of their own (``Reading.event_rewards``).
    """
    kinds = {"click": CLICK_REWARD, "purchase": PURCHASE_REWARD}
    names = events.unique().drop_nulls().to_list()
    known = {name: kinds[kind] for name, kind in _kinds(names, {}).items()} | dict(own)
    strengths = events.replace_strict(known, default=None, return_dtype=pl.Float32)
    return strengths.fill_null(np.nan).to_numpy().astype(np.float32)


def read_events(
    table: pl.DataFrame, events: Events | None, path: Path, only: Sequence[str] | None = None
) -> tuple[pl.DataFrame, str, dict[str, float]]:
    """Check the column ``event`` of a table; leave out the rows that are to be dropped.

    Args:
        table: interactions; without the column it is returned as it is.
        events: what the caller says of names, spelt as in the file.
        path: of the table, for errors.
        only: the events whose rows count, spelt as in the file; all the others are dropped.

    Returns:
        The table, what was done in words, and the events that have a reward of their own. An event
        that the caller calls a click or a purchase has that name in the table.

    Raises:
        DataError: an event is of no known name, or the caller names one that is not there.
    """
    events = dict(events or {})
    if "event" not in table.columns:
        if events or only is not None:
            asked = events or list(only or ())
            raise DataError(f"{path}: there is no column of events, and {asked!r} are asked for")
        return table, "", {}
    names = as_ids(table["event"], str(path))
    counts = dict(names.drop_nulls().value_counts(sort=True).iter_rows())
    if only is not None:
        events = _only(only, counts, events)
    _check_choice(events, counts, path)
    kinds: dict[str, str | float] = {**_kinds(counts, events), **events}
    for name, count in counts.items():
        if name not in kinds:
            raise DataError(f"{path}: {count} rows have {_refusal(name)}; {_mend(name)}")
    renamed = {name: kind for name, kind in events.items() if kind in KINDS}
    rewards = {name: float(kind) for name, kind in events.items() if kind not in KINDS}
    table = table.with_columns(names.replace(renamed).alias("event"))
    table = table.filter(pl.col("event").is_null() | (pl.col("event") != "drop"))
    words = [f"{name} ({count:,}) as {_word(kinds[name])}" for name, count in counts.items()]
    return table, f"events: {listed(words)}", rewards


def _squashed(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


_KNOWN = {_squashed(name): "click" for name in CLICKS}
_KNOWN |= {_squashed(name): "purchase" for name in PURCHASES}


def _kinds(names: Iterable[str], others: Mapping[str, object]) -> dict[str, str]:
    """The kinds of the names that are known."""
    found = dict.fromkeys(others, "click")
    found |= {name: kind for name in names if (kind := _KNOWN.get(_squashed(name)))}
    return found


def _only(
    only: Sequence[str], counts: Mapping[str, int], events: Mapping[str, str | float]
) -> dict[str, str | float]:
    """What events are where only some count; of these an unknown one is a click."""
    others: dict[str, str | float] = {name: "drop" for name in counts if name not in only}
    known = _kinds(counts, {})
    return {**others, **{name: known.get(name, "click") for name in only}, **events}


def _check_choice(events: Events, counts: Mapping[str, int], path: Path) -> None:
    for name, kind in events.items():
        if name not in counts:
            raise DataError(f"{path}: there is no event {shown(name)}; there are {listed(counts)}")
        if kind not in KINDS and not _is_reward(kind):
            raise DataError(
                f"events: {name!r} is {shown(kind)}; expected {', '.join(KINDS)} or a reward"
            )


def _is_reward(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _refusal(name: str) -> str:
    return (
        f"the event {shown(name)}; known are the clicks {listed(CLICKS, 3)} and the purchases "
        f"{listed(PURCHASES, 3)}"
    )


def _mend(name: str) -> str:
    return (
        f"say what it is, such as load(…, events={{{name!r}: 'drop'}}) (or 'click', 'purchase', "
        f"or a reward), on the command line --event {shlex.quote(name)}=drop; or name the kinds "
        "that count, with only_events=[…] or --events"
    )


def _word(kind: str | float) -> str:
    if kind == "drop":
        return "none, left out"
    return f"a {kind}" if isinstance(kind, str) else f"reward {kind:g}"
