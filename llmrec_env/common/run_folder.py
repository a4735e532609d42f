"""``RunFolder``: the folder of one run, which records its settings and its finished pieces.

``run.json`` holds the kind of run, its settings and fingerprints of its data. Everything else in
the folder is a piece: a file or folder that is written as a whole or not at all. So a run that was
killed continues with the missing pieces, and the folder of another run is refused.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import atomic_path, read_json, write_json

RUN = "run.json"
FORMAT = 2
EARLIER = ("settings.json", "study.json", "sensitivity.json", "offline.json")
"""Files by which earlier versions knew their run folders."""
SHOWN = 60
"""Characters of a value that an error shows, at most."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        path: where it is.
    """

    path: Path

    @classmethod
    def claim(
        cls,
        path: Path,
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
                contents, or something else, or it is a file.
        """
        folder = cls(path)
        now = {"kind": kind, "settings": settings, "contents": contents or {}, "format": FORMAT}
        if (before := folder._run(kind)) is not None:
            fixed = _fixed(before, growing), _fixed(now, growing)
            check_same(path, fixed[0], fixed[1], contents or {})
        write_json(path / RUN, now)
        return folder

    @classmethod
    def open(cls, path: Path) -> tuple[str, dict[str, Any]]:
        """The kind and the settings of the run that a folder holds.

        Raises:
            SettingError: it holds none.
        """
        run = cls(path)._run()
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

    def _run(self, kind: str = "") -> dict[str, Any] | None:
        """What ``run.json`` says; None where the folder is free for a run of this kind."""
        if self.path.is_file():
            raise SettingError(f"{self.path} is a file; name a folder with --out")
        if not self.path.exists() or not any(self.path.iterdir()):
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
        run: dict[str, Any] = self.read(RUN)
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
