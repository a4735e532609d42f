"""Helpers for the recommenders' configs: checks of values, and registries by name."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_args

from llmrec_env.common.errors import SettingError


class Member(Protocol):
    """A dataclass of settings that a registry knows by name."""

    name: ClassVar[str]
    title: ClassVar[str]


M = TypeVar("M", bound=Member)
C = TypeVar("C")


class Registry(dict[str, type[M]], Generic[M]):
    """Config classes by the name that chooses them.

    Args:
        kind: the keyword that takes the names, "backbone" or "objective".
        register: the public function that adds to the registry, for error messages.
    """

    def __init__(self, kind: str, register: str) -> None:
        super().__init__()
        self.kind = kind
        self._register = register

    def add(self, config: type[C]) -> type[C]:
        """Register a config class under its ``name``; returns it, so this is a decorator's body.

        Raises:
            SettingError: the name is missing or taken, or the class is not a dataclass whose
                fields all have defaults.
        """
        name = getattr(config, "name", "")
        if not isinstance(name, str) or not name:
            raise SettingError(f"{config.__name__} needs a name: ClassVar[str] = ...")
        if name in self:
            raise SettingError(f"{self.kind} {name!r} is registered already; choose another name")
        if not is_dataclass(config):
            raise SettingError(f"{config.__name__} must be a dataclass: its fields are settings")
        try:
            config()
        except TypeError as error:
            raise SettingError(f"{config.__name__}: every setting needs a default") from error
        if "title" not in vars(config):  # not that of the config it derives from
            config.title = name  # type: ignore[attr-defined]
        self[name] = config  # type: ignore[assignment]
        return config

    def make(self, config: M | str) -> M:
        """A config as it is, or the one of this name with its defaults.

        Raises:
            SettingError: no config has the name.
        """
        if is_dataclass(config) and not isinstance(config, str | type):
            return config
        if not isinstance(config, str) or config not in self:
            raise SettingError(
                f"{self.kind} must be one of {', '.join(self)}, got {config!r}; one of your own "
                f"must be registered first ({self._register})"
            )
        return self[config]()


def settings_of(config: Any) -> dict[str, Any]:
    """The fields of a config and their values."""
    return {field.name: getattr(config, field.name) for field in fields(config)}


def check_choice(config: object, name: str, choices: Any) -> None:
    """Raise a SettingError for a value that is none of a ``Literal`` type's."""
    value, known = getattr(config, name), get_args(choices)
    if value not in known:
        raise SettingError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def check_positive(config: object, *names: str) -> None:
    """Raise a SettingError for a value of 0 or less; None passes."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise SettingError(f"{name} must be positive, got {value}")


def check_not_negative(config: object, *names: str) -> None:
    """Raise a SettingError for a value below 0."""
    for name in names:
        if getattr(config, name) < 0:
            raise SettingError(f"{name} must be 0 or more, got {getattr(config, name)}")


def check_share(config: object, *names: str, below_one: bool = False) -> None:
    """Raise a SettingError for a value outside [0, 1], or outside [0, 1) with ``below_one``."""
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1 or (below_one and value == 1):
            bracket = ")" if below_one else "]"
            raise SettingError(f"{name} must lie in [0, 1{bracket}, got {value}")
