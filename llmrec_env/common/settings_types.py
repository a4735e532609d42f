"""Checks that the values of a dataclass of settings have the types that its fields name."""

from __future__ import annotations

import types
from dataclasses import fields
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from llmrec_env.common.errors import SettingError

PLAIN: dict[type, tuple[type, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
}


def check_types(settings: Any) -> None:
    """Refuse settings of another type than their fields have; numbers of numpy are numbers.

    Fields of other types than numbers, texts, choices and dataclasses are left alone.

    Raises:
        SettingError: a value is of another type, or NaN.
    """
    kind: Any = type(settings)
    hints = _hints(kind)
    for field in fields(settings):
        value, hint = getattr(settings, field.name), hints.get(field.name, Any)
        if not _fits(value, hint):
            raise SettingError(f"{field.name} must be {_words(hint)}, got {value!r}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    try:
        return get_type_hints(kind)
    except (NameError, TypeError):  # a class of somebody's own, in a function
        return {}


def _fits(value: Any, hint: Any) -> bool:
    if hint in PLAIN:
        if isinstance(value, bool) != (hint is bool):
            return False
        return isinstance(value, PLAIN[hint][0]) and bool(value == value)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if origin is Literal:
        return isinstance(value, str | int | bool | None) and value in get_args(hint)
    return isinstance(value, hint) if origin is None and isinstance(hint, type) else True


def _words(hint: Any) -> str:
    """A type in words."""
    if hint in PLAIN:
        return PLAIN[hint][1]
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_words(part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    return "None" if hint is type(None) else getattr(hint, "__name__", str(hint))
