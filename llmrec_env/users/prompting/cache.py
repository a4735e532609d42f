"""``AnswerCache``: answers kept on disk, in one SQLite file that several programs may share."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from llmrec_env.common.errors import DataError
from llmrec_env.common.file_errors import file_errors
from llmrec_env.common.files import cache_folder, local_path
from llmrec_env.users.prompting.questions import Reading

SECONDS = 60.0
"""How long one program waits for another that writes."""
TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value REAL, mass REAL)"
AT_ONCE = 500
"""Keys of one look-up; SQLite allows 999 variables in its older versions."""


class AnswerCache:
    """Readings by key; each call opens the file, so copies and processes may share it.

    Args:
        path: the file, made at the first answer; None: ``answers.sqlite`` in
            :func:`~llmrec_env.common.files.cache_folder`.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = cache_folder() / "answers.sqlite" if path is None else local_path(path, "cache")

    def get(self, keys: Sequence[str]) -> dict[str, Reading]:
        """The readings that are kept under some of these keys.

        Raises:
            DataError: the file is damaged, or something else.
            FileError: it cannot be opened.
        """
        if not self.path.exists():
            return {}
        found: dict[str, Reading] = {}
        with self._open() as database:
            for start in range(0, len(keys), AT_ONCE):
                some = keys[start : start + AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = database.execute(
                    f"SELECT key, value, mass FROM answers WHERE key IN ({marks})", some
                )
                found |= {key: Reading(value, _number(mass)) for key, value, mass in rows}
        return found

    def put(self, readings: Mapping[str, Reading]) -> None:
        """Keep readings, all of them or, if the program is killed meanwhile, none.

        Raises:
            DataError: the file is damaged, or something else.
            FileError: it cannot be written.
        """
        rows = [(key, *reading) for key, reading in readings.items()]  # SQLite keeps NaN as NULL
        with self._open() as database, database:
            database.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with file_errors("cannot keep answers in", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with closing(sqlite3.connect(self.path, timeout=SECONDS)) as database:
                    database.execute(TABLE)
                    yield database
            except sqlite3.OperationalError as error:
                raise OSError(str(error)) from error
            except sqlite3.DatabaseError as error:
                raise DataError(
                    f"{self.path}: no cache of answers, or a damaged one ({error}); delete it, or "
                    "name another with cache="
                ) from error


def key_of(parts: Mapping[str, Any]) -> str:
    """A name made from whatever an answer depends on, 64 hex digits."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _number(value: float | None) -> float:
    return math.nan if value is None else value
