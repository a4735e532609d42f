"""Hidden folders in which something is written before it stands whole in its place.

Each is locked by its writer, so that the next writer of the same thing knows what a killed one left
behind, and clears that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from llmrec_env.common.locks import BusyError, holds_lock, lock_folder, unlock_folder

SCRATCH = ".llmrec-"
"""Part of the name of everything that stands somewhere only while something is written."""
NAMED = 40
"""Characters of a target's name in that of its scratch folder: a name must not become too long."""


@contextlib.contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """A locked folder beside ``target``, for as long as the block runs; clears dead ones first."""
    _make_folder(target.parent)
    with os.scandir(target.parent) as entries:
        left = [
            Path(entry)
            for entry in entries
            if entry.name.startswith(_beginning(target)) and entry.is_dir(follow_symlinks=False)
        ]
    for scratch in left:
        clear_scratch(scratch, target)
    scratch = _new_scratch(target)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        unlock_folder(scratch)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # which would say that the file is in its own way
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def _new_scratch(target: Path) -> Path:
    while True:
        scratch = Path(tempfile.mkdtemp(prefix=_beginning(target), dir=target.parent))
        with contextlib.suppress(BusyError, FileNotFoundError):  # somebody took it for a dead one's
            lock_folder(scratch)
            return scratch


def _beginning(target: Path) -> str:
    """How the names of the scratch folders of a target begin."""
    return f".{target.name[:NAMED]}{SCRATCH}"


def replaced_in(scratch: Path, target: Path) -> Path:
    """Where the folder goes whose place another takes."""
    return scratch / f"{target.name}.replaced"


def clear_scratch(scratch: Path, target: Path | None = None) -> None:
    """Clear what a killed process left; leave what is in use, or may be.

    Args:
        scratch: its scratch folder.
        target: what it wrote there: one killed between its two renames is brought to its end.
    """
    with contextlib.suppress(BusyError, FileNotFoundError):
        if holds_lock(scratch) or not lock_folder(scratch):
            return
        if target is not None and not target.exists() and replaced_in(scratch, target).exists():
            (scratch / target.name).replace(target)
        shutil.rmtree(scratch, ignore_errors=True)
        unlock_folder(scratch)


def clear_all_scratch(folder: Path) -> None:
    """Clear what killed processes left anywhere in a folder that is the caller's own."""
    for place, names, _ in os.walk(folder):
        left = [name for name in names if name.startswith(".") and SCRATCH in name]
        for name in left:
            clear_scratch(Path(place, name))
            names.remove(name)
