"""Classes shared by all format readers: ``Format``, ``Source`` (files), ``RawLog`` (tables)."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError
from llmrec_env.data.reading import Reading, TableReading


@dataclass(frozen=True)
class LogFiles:
    """The path handed to ``load``: a folder, or one file whose neighbours are at hand."""

    path: Path

    @property
    def folder(self) -> Path:
        """The folder in which the files stand."""
        return self.path if self.path.is_dir() else self.path.parent

    def candidates(self, *patterns: str) -> list[Path]:
        """Files that may hold the interactions: the named file only, else those of the folder."""
        files = self.neighbours(*patterns)
        return files if self.path.is_dir() else [file for file in files if file == self.path]

    def neighbours(self, *patterns: str) -> list[Path]:
        """Files of the folder whose names match one of the patterns, by name."""
        return sorted(
            file
            for file in self.folder.iterdir()
            if file.is_file() and any(fnmatch.fnmatch(file.name, p) for p in patterns)
        )

    def has(self, *names: str) -> bool:
        """Whether the first of ``names`` may hold the interactions and the others are there."""
        return bool(self.candidates(names[0])) and all(map(self.neighbours, names[1:]))

    def only(self, *patterns: str) -> Path:
        """The one file that may hold the interactions.

        Raises:
            DataError: there is none, or more than one.
        """
        found = self.candidates(*patterns)
        if len(found) != 1:
            names = ", ".join(file.name for file in found) or "none"
            raise DataError(
                f"{self.path}: expected one file named {' or '.join(patterns)}, found {names}; "
                "name the file itself"
            )
        return found[0]


@dataclass(frozen=True)
class RawLog:
    """What a format's ``read`` returns, before it is checked and cleaned.

    Attributes:
        interactions: ``user_id`` and ``item_id`` (String), and any of ``time`` (seconds, whole or
            not, dates or texts), ``rating``, ``weight`` (numbers), ``event``, ``label`` (String;
            whether the user took the item) and ``liked`` (whether they liked it); one row an
            interaction, or an item that was shown where there are labels.
        path: the file of the interactions, for errors.
        items: ``item_id`` and String text columns, or None where the dataset describes no items.
        items_path: the file of the items, for errors.
        closed: whether every seen item must be among ``items``; else it is kept without text.
        reading: which columns were used, and what else a reader should know.
        skipped: what was shown and not taken, where the labels say so; a format leaves it None.
    """

    interactions: pl.DataFrame
    path: Path
    items: pl.DataFrame | None = None
    items_path: Path | None = None
    closed: bool = False
    reading: Reading = field(default_factory=Reading)
    skipped: pl.DataFrame | None = None


@dataclass(frozen=True)
class Format:
    """A public format. Adding one takes a file with a ``FORMAT`` and a line in the registry.

    Attributes:
        name: what ``load(path, format=name)`` calls it.
        files: the files it consists of, in words, for the error that lists the formats.
        recognises: whether the files look like this format; looks at names and first lines only.
        read: ``read(source, **options)``; its keyword arguments are the format's options.
    """

    name: str
    files: str
    recognises: Callable[[LogFiles], bool]
    read: Callable[..., RawLog]


def table_reading(path: Path, names: Iterable[str], used: Mapping[str, str]) -> TableReading:
    """Which columns of a file were used, and which were not.

    Args:
        path: the file.
        names: all its columns.
        used: those that were read, and what as.
    """
    names = list(names)
    kept = {name: used[name] for name in names if name in used}
    return TableReading(path.name, kept, tuple(name for name in names if name not in used))
