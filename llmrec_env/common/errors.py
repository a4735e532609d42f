"""The package's exceptions; each message names the problem and how to fix it."""

from __future__ import annotations


class LLMRecError(Exception):
    """Base class of all errors raised on purpose by this package."""


class DataError(LLMRecError, ValueError):
    """A file, a table or an array is not what was expected."""


class FileError(LLMRecError, OSError):
    """The file system refused: a full disk, a folder that may not be written, a name too long."""


class SimulatorError(LLMRecError, ValueError):
    """A simulated user was asked for something that it cannot answer."""


class SettingError(LLMRecError, ValueError):
    """An option has a value that does not exist or lies out of range."""


class UnknownArgumentError(SettingError, TypeError):
    """An argument does not exist; a ``TypeError`` too, as Python's own, which libraries catch."""


class DivergedError(LLMRecError, ArithmeticError):
    """A training's loss is no number any more."""


class MissingExtraError(LLMRecError, ImportError):
    """An optional dependency is not installed."""
