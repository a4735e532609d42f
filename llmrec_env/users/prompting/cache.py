"""``AnswerCache``: answers kept on disk, in one SQLite file that several programs may share."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
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
    """Where answers are kept; the file is open only within :meth:`opened`.

    Args:
        path: the file, made when it is first opened; None: ``answers.sqlite`` in
            :func:`~llmrec_env.common.files.cache_folder`.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = cache_folder() / "answers.sqlite" if path is None else local_path(path, "cache")

    @contextmanager
    def opened(self) -> Iterator[OpenCache]:
        """The file, open for all threads of this process while the block runs.

        Raises:
            DataError: the file is damaged, or something else.
            FileError: it cannot be opened or written.
        """
        with file_errors("cannot keep answers in", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with closing(_connect(self.path)) as database:
                    yield OpenCache(database)
            except sqlite3.OperationalError as error:
                raise OSError(str(error)) from error
            except sqlite3.DatabaseError as error:
                raise DataError(
                    f"{self.path}: no cache of answers, or a damaged one ({error}); delete it, or "
                    "name another with cache="
                ) from error


class OpenCache:
    """Readings by key."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._lock = threading.Lock()

    def get(self, keys: Sequence[str]) -> dict[str, Reading]:
        """The readings that are kept under some of these keys."""
        found: dict[str, Reading] = {}
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            select = f"SELECT key, value, mass FROM answers WHERE key IN ({marks})"
            with self._lock:
                rows = self._database.execute(select, some).fetchall()
            found |= {key: Reading(value, _number(mass)) for key, value, mass in rows}
        return found

    def put(self, key: str, reading: Reading) -> None:
        """Keep a reading; it is there from now on, even if the program is killed."""
        row = (key, *reading)  # SQLite keeps NaN as NULL
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=SECONDS, check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")  # an answer is written without waiting for a disk
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(TABLE)
    return database


def key_of(parts: Mapping[str, Any]) -> str:
    """A name made from whatever an answer depends on, 64 hex digits."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _number(value: float | None) -> float:
    return math.nan if value is None else value
