"""``RunSettings``: base class of all runs' settings, to and from JSON and as a command line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from llmrec_env.common.errors import SettingError

if TYPE_CHECKING:
    from typing import Self


class RunSettings:
    """Base of the dataclasses of settings, one a kind of run."""

    KIND: ClassVar[str]
    """The command that makes such runs, after ``llmrec``."""
    GROWING: ClassVar[tuple[str, ...]] = ()
    """Settings that may be others when a run is continued: they change no finished number."""
    REPEATED: ClassVar[tuple[str, ...]] = ("event", "column")
    """Options that are given once for each of several values."""
    NAMED: ClassVar[tuple[str, ...]] = ()
    """Options that the command names even where they are the usual ones."""
    HIDDEN: ClassVar[tuple[str, ...]] = ("world_size",)
    """Settings that are no options of the command."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which :meth:`from_json` makes the same settings."""
        return {name: _plain(getattr(self, name)) for name in self._defaults()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Settings from what :meth:`to_json` gave.

        Raises:
            SettingError: there is no such setting, or its value is refused.
        """
        if unknown := sorted(set(values) - set(cls._defaults())):
            raise SettingError(f"`llmrec {cls.KIND}` has no setting named {', '.join(unknown)}")
        settings = {name: _with_tuples(value) for name, value in values.items()}
        hints = get_type_hints(cls)
        for name, value in settings.items():
            if not _fits(value, hints[name]):
                raise SettingError(f"`llmrec {cls.KIND}`: {name} cannot be {_plain(value)!r}")
        return cls(**settings)

    @property
    def command(self) -> str:
        """The command line that makes this run."""
        words = ["llmrec", *self.KIND.split()]
        for name, usual in self._defaults().items():
            value = getattr(self, name)
            if name in self.HIDDEN or value is None or (name not in self.NAMED and value == usual):
                continue
            parts = value.items() if isinstance(value, Mapping) else [("", value)]
            if name in self.REPEATED:
                words += [word for own in value for word in (f"--{name}", own)]
                continue
            if isinstance(value, bool):
                words.append(f"--{'' if value else 'no-'}{name.replace('_', '-')}")
                continue
            for part, own in parts:
                words += [f"--{name.replace('_', '-')}", f"{part}={_text(own)}".lstrip("=")]
        return shlex.join(words)

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """The names of all settings with their usual values."""
        return {
            field.name: field.default
            if field.default_factory is MISSING
            else field.default_factory()
            for field in fields(cls)  # type: ignore[arg-type]  # its subclasses are dataclasses
        }


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that a field of settings names."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return value in parts
    if origin is tuple:
        whole = parts[-1] is Ellipsis
        kinds = [parts[0]] * len(value) if whole and isinstance(value, tuple) else list(parts)
        return (
            isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
        )
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_fits(own, parts[1]) for own in value.values())
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31
    return hint is Any or isinstance(value, hint)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if short == str(value) or float(short) == value else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(own) for name, own in value.items()}
    return [_plain(own) for own in value] if isinstance(value, tuple) else value


def _with_tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _with_tuples(own) for name, own in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value
