"""``ResultFolder``: a folder that stands whole in the end, and its checkpoint beside it until then.

Whoever makes ``le`` works in ``le.checkpoint``, a run folder with its settings and its lock. The
result carries a mark of what it was made of: a command that was killed goes on, wherever it was,
and one that had come to its end has nothing left to do.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrec_env.common import processes
from llmrec_env.common.errors import DataError, LLMRecError, SettingError
from llmrec_env.common.file_errors import file_errors
from llmrec_env.common.files import (
    MADE_BY,
    atomic_path,
    local_path,
    read_json,
    refuse_loss,
    write_json,
)
from llmrec_env.common.run_folder import RUN, RunFolder

if TYPE_CHECKING:
    from typing import Self

RESULT = "result"


@dataclass(frozen=True)
class ResultFolder:
    """What a command makes; of several processes the main one alone touches files.

    Attributes:
        path: where the result is to stand; a link is followed.
        checkpoint: where it is worked on.
        kind: the command, after ``llmrec``.
        what: what the result is called in errors.
        settings: all settings on which the result depends, as JSON knows them.
    """

    path: Path
    checkpoint: RunFolder
    kind: str
    what: str
    settings: Mapping[str, Any]

    @classmethod
    def at(
        cls, out: str | os.PathLike[str], kind: str, what: str, settings: Mapping[str, Any]
    ) -> ResultFolder:
        """The place that a person named, if it can be written and nothing would be lost there.

        Args:
            out: where the result is to stand.
            kind: as the attribute.
            what: as the attribute.
            settings: as the attribute.

        Raises:
            SettingError: something else stands in either place, or ``out`` is no path.
            FileError: it cannot be written.
        """
        named = local_path(out, "--out").absolute()
        named = named.resolve() if ".." in named.parts else named
        place = named.resolve() if named.is_symlink() else named
        checkpoint = RunFolder(named.with_name(f"{named.name}.checkpoint"))
        result = cls(place, checkpoint, kind, what, json.loads(json.dumps(settings)))
        processes.on_main(result._check)
        return result

    def _check(self) -> None:
        mark = self._mark()
        if mark is None:
            refuse_loss(self.path, ())
        elif mark["kind"] != self.kind or mark["settings"] != self.settings:
            raise self._holds_another()
        RunFolder.check(self.checkpoint.path, self.kind)

    def _mark(self) -> dict[str, Any] | None:
        """What the result that stands in its place says of how it was made."""
        try:
            mark = read_json(self.path / MADE_BY)
        except (OSError, DataError):
            return None
        known = isinstance(mark, dict) and {"kind", "settings", "contents"} <= set(mark)
        return mark if known else None

    def _holds_another(self) -> SettingError:
        return SettingError(
            f"{self.path} holds a saved {self.what} of other data or settings; remove it, or name "
            "another with --out"
        )

    def claim(self, contents: Mapping[str, str], growing: Mapping[str, Any]) -> Self:
        """Lock the checkpoint, which must be of the same settings and contents.

        Args:
            contents: fingerprints of what is read, by what that is: "log" or so.
            growing: settings that do not decide the result, such as the device.

        Raises:
            SettingError: the checkpoint or the result is of others, or another process works there.
        """
        processes.on_main(lambda: self._claim(contents, growing))
        return self

    def _claim(self, contents: Mapping[str, str], growing: Mapping[str, Any]) -> None:
        settings = {**self.settings, **growing}
        RunFolder.claim(self.checkpoint.path, self.kind, settings, list(growing), contents)
        mark = self._mark()
        if mark is not None and mark["contents"] != dict(contents):
            self._clear()
            raise self._holds_another()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Unlock the checkpoint; where an error came before anything was kept, leave none behind.

        Whoever mends the settings that the error names would else be refused for having others.
        """
        if not processes.is_main():
            return
        if isinstance(error, LLMRecError) and self._keeps_nothing():
            self._clear()
        else:
            self.checkpoint.__exit__()

    def _keeps_nothing(self) -> bool:
        path = self.checkpoint.path
        return (path / RUN).exists() and not any(entry.is_dir() for entry in path.iterdir())

    def is_finished(self) -> bool:
        """Whether an earlier try came to its end; what it left to clear is cleared."""
        return processes.on_main(self._is_finished)

    def _is_finished(self) -> bool:
        if self._mark() is None:
            return False
        self._clear()
        return True

    def finish(self, save: Callable[[Path], None]) -> None:
        """Put the result in place, and clear the checkpoint; called in the main process.

        Args:
            save: writes the result to the folder that it is given, which is not there yet.
        """
        result, contents = self.checkpoint.path / RESULT, self.checkpoint.read(RUN)["contents"]
        self.checkpoint.remove(RESULT)
        save(result)
        mark = {"kind": self.kind, "settings": self.settings, "contents": contents}
        write_json(result / MADE_BY, mark)
        refuse_loss(self.path, ())
        with file_errors("cannot write", self.path):
            self._put_in_place()
        self._clear()

    def _put_in_place(self) -> None:
        result = self.checkpoint.path / RESULT
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            result.replace(self.path)
        except OSError as error:
            if error.errno != errno.EXDEV:  # a link that leads to another disk
                raise
            with atomic_path(self.path) as temporary:
                shutil.copytree(result, temporary)

    def _clear(self) -> None:
        """Remove the checkpoint, last what says whose it is: one half removed is still known."""
        for entry in self.checkpoint.path.iterdir():
            if entry.is_dir():
                self.checkpoint.remove(entry.name)
        (self.checkpoint.path / RUN).unlink()
        self.checkpoint.__exit__()
        with contextlib.suppress(OSError):  # somebody keeps something there
            self.checkpoint.path.rmdir()
