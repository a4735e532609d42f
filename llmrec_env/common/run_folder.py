"""``RunFolder``: the folder of one run, which records its settings and its finished pieces.

``run.json`` holds the kind of run, its settings and fingerprints of its data. Everything else in
the folder is a piece: a file or folder that is written as a whole or not at all. So a run that was
killed continues with the missing pieces, and the folder of another run is refused, as is one in
which another process is at work.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.file_errors import file_errors
from llmrec_env.common.files import atomic_path, check_writable, local_path, read_json, write_json
from llmrec_env.common.locks import LOCK, holds_lock, lock_folder, unlock_folder
from llmrec_env.common.scratch import SCRATCH, clear_all_scratch

if TYPE_CHECKING:
    from typing import Self

RUN = "run.json"
FORMAT = 2
EARLIER = ("settings.json", "study.json", "sensitivity.json", "offline.json")
"""Files by which earlier versions knew their run folders."""
SHOWN = 60
"""Characters of a value that an error shows, at most."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Claimed, it is locked until the block ``with RunFolder.claim(...)`` or the process ends.

    Attributes:
        path: where it is.
    """

    path: Path

    @classmethod
    def claim(
        cls,
        path: str | os.PathLike[str],
        kind: str,
        settings: Mapping[str, Any],
        growing: Collection[str] = (),
        contents: Mapping[str, str] | None = None,
    ) -> RunFolder:
        """Make a folder that of a run, or go on with it if it is already.

        Args:
            path: the folder; made where it is absent.
            kind: the command that makes such runs, after ``llmrec``: "bench offline" or so.
            settings: all settings, as JSON knows them.
            growing: names of settings that may be others when the run is continued.
            contents: fingerprints of what the run reads, by what that is: "log" or so.

        Raises:
            SettingError: the folder holds a run of another kind, of other settings or of other
                contents, or something else, it is a file, or another process is at work in it.
            FileError: it cannot be written.
        """
        folder = cls(cls.check(path, kind))
        now = {"kind": kind, "settings": settings, "contents": contents or {}, "format": FORMAT}
        with folder._locked():
            if (before := folder._run(kind)) is not None:
                fixed = _fixed(before, growing), _fixed(now, growing)
                check_same(folder.path, fixed[0], fixed[1], contents or {})
            clear_all_scratch(folder.path)
            write_json(folder.path / RUN, now)
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        unlock_folder(self.path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep the lock if the block ends well, and leave no folder behind if it does not."""
        was_there, was_locked = self.path.exists(), holds_lock(self.path)
        with file_errors("cannot write", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock_folder(self.path)
        try:
            yield
        except BaseException:
            if not was_locked:
                unlock_folder(self.path)
            if not was_there:
                with contextlib.suppress(OSError):
                    self.path.rmdir()
            raise

    @classmethod
    def check(cls, path: str | os.PathLike[str], kind: str) -> Path:
        """The place of a run, which can be written, and is free or a folder of such a run.

        Whoever has long work to do before :meth:`claim` asks this first; errors are the same.
        """
        place = local_path(path, "--out")
        cls(place)._run(kind)
        check_writable(place, "--out")
        return place

    @classmethod
    def open(cls, path: Path) -> tuple[str, dict[str, Any]]:
        """The kind and the settings of the run that a folder holds.

        Raises:
            SettingError: it holds none.
        """
        run = cls(local_path(path, "folder of the run"))._run()
        if run is None:
            raise SettingError(f"{path} holds no run: there is no {RUN} in it")
        return run["kind"], run["settings"]

    def part(self, name: str) -> RunFolder:
        """A folder in this one that holds some of its pieces."""
        return RunFolder(self.path / name)

    def has(self, piece: str) -> bool:
        """Whether a piece is finished."""
        return (self.path / piece).exists()

    def read(self, piece: str) -> Any:
        """What a finished piece holds, which was written by :meth:`write`."""
        return read_json(self.path / piece)

    def write(self, piece: str, value: Any, sort_keys: bool = True) -> None:
        """Finish a piece: a JSON file."""
        write_json(self.path / piece, value, sort_keys)

    def making(self, piece: str) -> AbstractContextManager[Path]:
        """A block that finishes a piece: a file or folder to be made at the path that it gets."""
        return atomic_path(self.path / piece)

    def remove(self, piece: str) -> None:
        """Remove a piece that is needed no more, with everything in it."""
        unlock_folder(self.path / piece)
        shutil.rmtree(self.path / piece, ignore_errors=True)

    def _run(self, kind: str = "") -> dict[str, Any] | None:
        """What ``run.json`` says; None where the folder is free for a run of this kind."""
        if self.path.is_file():
            raise SettingError(f"{self.path} is a file; name a folder with --out")
        if not self.path.exists() or not any(map(_counts, self.path.iterdir())):
            return None
        if not self.has(RUN):
            if any(map(self.has, EARLIER)):
                raise SettingError(
                    f"{self.path} holds a run of an earlier version, which this one cannot "
                    "continue; repeat the command that its config.json names with another --out"
                )
            raise SettingError(
                f"{self.path} holds something else, which could be lost; name another folder with "
                "--out"
            )
        run = self._described()
        if kind and run.get("kind") != kind:
            raise SettingError(
                f"{self.path} is a folder of `llmrec {run.get('kind')}`, whose results would be "
                "lost; name another folder with --out"
            )
        if run.get("format") != FORMAT:
            raise SettingError(
                f"{self.path}: {RUN} has format {run.get('format')!r}, this version reads "
                f"{FORMAT}; name another folder with --out"
            )
        return run

    def _described(self) -> dict[str, Any]:
        """What stands in ``run.json``, which must be of the right form."""
        run = self.read(RUN)
        parts = {"kind": str, "settings": dict, "contents": dict}
        if not isinstance(run, dict) or (
            run.get("format") == FORMAT
            and not all(isinstance(run.get(name), of) for name, of in parts.items())
        ):
            raise SettingError(
                f"{self.path / RUN} is not what a run writes there; name another folder with --out"
            )
        return run


def _counts(entry: Path) -> bool:
    """Whether something in a folder makes it one that is not free."""
    return entry.name != LOCK and not (entry.name.startswith(".") and SCRATCH in entry.name)


def check_same(
    path: Path, before: Mapping[str, Any], now: Mapping[str, Any], contents: Collection[str] = ()
) -> None:
    """Refuse what was made with other settings.

    Args:
        path: where it stands.
        before: with which it was made, as JSON gives it back.
        now: what is asked for.
        contents: the names of fingerprints, which tell nothing.

    Raises:
        SettingError: a setting differs; each is named.
    """
    now = json.loads(json.dumps(now))
    others = [
        _told(name, before.get(name), now.get(name), name in contents)
        for name in {**now, **before}
        if before.get(name) != now.get(name)
    ]
    if others:
        raise SettingError(
            f"{path} was made with other settings ({', '.join(others)}); repeat those to continue "
            "it, remove it, or name another folder with --out"
        )


def _fixed(run: Mapping[str, Any], growing: Collection[str]) -> dict[str, Any]:
    settings = {name: v for name, v in run["settings"].items() if name not in growing}
    return {**settings, **run["contents"]}


def _told(name: str, before: Any, now: Any, is_content: bool) -> str:
    text = f"{name}={before!r} instead of {now!r}"
    return f"another {name.replace('_', ' ')}" if is_content or len(text) > SHOWN else text
