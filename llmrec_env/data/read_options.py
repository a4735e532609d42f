"""``ReadOptions``: how the files of a log are read, as plain settings that a command can name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from llmrec_env.common.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Options of :func:`llmrec_env.data.loading.load` for a log that a command or a run opens.

    Raises:
        SettingError: one has another form than it must have.
    """

    format: str | None = None
    """Name of the format; None recognises it."""
    encoding: str | None = None
    """Of plain tables, as Python names it; None: UTF-8."""
    user_field: str | None = None
    """The column that names the user; None takes one of the known names."""
    item_field: str | None = None
    """The column that names the item; None takes one of the known names."""
    column: tuple[str, ...] = ()
    """Other columns by their role, ``role=NAME`` each (``time=date``); ``role=none`` for none."""
    min_rating: float | None = None
    """Ratings from which an interaction counts as taken; None: all do."""
    events: tuple[str, ...] = ()
    """The kinds of events that count as taken; empty: all that are known to be takes."""
    event: tuple[str, ...] = ()
    """What further events are, ``name=reward`` each, or ``=click``, ``=purchase`` or ``=drop``."""
    order: str | None = None
    """Without times: "file" says that the rows stand in order, "shuffled" shuffles them."""

    def __post_init__(self) -> None:
        _ = self.keywords
        if self.order not in (None, "file", "shuffled"):
            raise SettingError(f"order must be 'file' or 'shuffled', got {self.order!r}")

    @property
    def reading(self) -> ReadOptions:
        """These options alone, without what a subclass adds."""
        return ReadOptions(
            **{field.name: getattr(self, field.name) for field in fields(ReadOptions)}
        )

    @property
    def given(self) -> list[str]:
        """The options that differ from the usual, as a command names them."""
        return [
            f"--{field.name.replace('_', '-')}"
            for field in fields(ReadOptions)
            if getattr(self, field.name) != field.default
        ]

    @property
    def keywords(self) -> dict[str, Any]:
        """The keywords of ``load`` that differ from its own."""
        columns: dict[str, str | None] = {
            role: None if name.lower() == "none" else name
            for role, name in _pairs(self.column, "column", "time=date")
        }
        columns |= {"user_id": self.user_field} if self.user_field else {}
        columns |= {"item_id": self.item_field} if self.item_field else {}
        events = {name: _meaning(text) for name, text in _pairs(self.event, "event", "play=0.5")}
        found = {
            "format": self.format,
            "encoding": self.encoding,
            "columns": columns or None,
            "liked": self.min_rating,
            "only_events": list(self.events) or None,
            "events": events or None,
            "order": self.order,
        }
        return {name: value for name, value in found.items() if value is not None}


def _pairs(texts: Sequence[str], option: str, example: str) -> list[tuple[str, str]]:
    """Names and values from texts of the form ``name=value``."""
    found = []
    for text in texts:
        name, sign, value = text.rpartition("=")
        if not sign or not name.strip() or not value.strip():
            raise SettingError(f"{option} must look like {example}, got {text!r}")
        found.append((name.strip(), value.strip()))
    return found


def _meaning(text: str) -> str | float:
    """A reward as a number; anything else as it stands, for ``load`` to judge."""
    try:
        return float(text)
    except ValueError:
        return text
