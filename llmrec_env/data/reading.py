"""``Reading``: how a log was read, so that nothing that was passed over goes unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from llmrec_env.common.wording import listed

Order = Literal["time", "position", "file order", "shuffled", "unknown"]


@dataclass(frozen=True)
class TableReading:
    """Which columns of one file were read.

    Attributes:
        file: the name of the file.
        used: each column that was read, and what it was read as (``{"date": "time"}``).
        not_used: the columns that were passed over.
    """

    file: str
    used: Mapping[str, str] = field(default_factory=dict)
    not_used: tuple[str, ...] = ()

    def __str__(self) -> str:
        used = [name if name == role else f"{name} (as {role})" for name, role in self.used.items()]
        return f"{self.file}: columns used: {listed(used)}; not used: {listed(self.not_used)}"


@dataclass(frozen=True)
class Reading:
    """How a log was read; a log made by hand has one that says "unknown".

    Attributes:
        format: the name of the format, such as ``plain``.
        tables: the columns of each file that were used, and those that were not.
        order: what orders a user's interactions. ``time``: a column of times. ``position``: a
            column that counts them, or a source that wrote them in their order. ``file order``:
            neither, but whoever read it said that the rows stand in order. ``shuffled``: each
            user's were put in a random order. ``unknown``: nobody said, so that the order may mean
            nothing.
        ratings: what was done with ratings, in words; empty where there are none.
        events: what was done with kinds of events and with labels, in words; empty where there are
            none.
        event_rewards: events that have a reward of their own (``load(..., events={"play": 0.5})``).
        notes: whatever else a reader should know, one sentence each.
    """

    format: str = "unknown"
    tables: tuple[TableReading, ...] = ()
    order: Order = "unknown"
    ratings: str = ""
    events: str = ""
    event_rewards: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What to tell whoever loaded the log, one line each."""
        said = [text for text in (self.ratings, self.events, *self.notes) if text]
        return [*map(str, self.tables), *said]

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON knows it."""
        return asdict(self)
