"""The door for paths, atomic writing, reading and writing of JSON, and content fingerprints."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.file_errors import file_errors
from llmrec_env.common.locks import LOCK
from llmrec_env.common.scratch import SCRATCH, replaced_in, scratch_beside

NAMED = 3
"""Entries of a folder that an error names, at most."""
MADE_BY = ".llmrec-run.json"
"""In a folder that a command made: what it was made of, which changes no fingerprint."""
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
"""A URI, also one that lost a slash on its way through ``Path``; ``C:/`` is a drive."""


def local_path(path: str | os.PathLike[str], what: str = "path") -> Path:
    """The door for every path that a person gives: a place on this machine, taken literally.

    ``~`` is the home folder, a link stays a link, a relative path stays relative, and ``[ ] * ?``
    are characters as any others.

    Args:
        path: text or a path; it need not exist.
        what: what the person calls it, such as ``--out``.

    Raises:
        SettingError: it is empty, no text, too long, a circle of links, a URI such as
            ``s3://bucket/x``, or of an unknown home.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str) or not text or "\0" in text or not _is_unicode(text):
        raise SettingError(f"{what}: expected the path of a file or folder, got {text!r}")
    if address := ADDRESS.fullmatch(text):
        raise SettingError(f"{what}: {_not_opened(*address.groups())}")
    try:
        place = Path(text).expanduser()
    except RuntimeError:
        raise SettingError(f"{what}: {text!r} names the home folder of no user here") from None
    _check_name(place, what)
    return place


def _check_name(place: Path, what: str) -> None:
    """Refuse names at which every question about a file raises an error."""
    try:
        place.stat()
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            reason = os.strerror(error.errno).lower()
            raise SettingError(f"{what}: {os.fspath(place)!r}: {reason}") from None


def _is_unicode(text: str) -> bool:
    """Whether a text can be written down: names in other encodings come in as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _not_opened(scheme: str, rest: str) -> str:
    if scheme.lower() == "file":
        return f"file:///{rest} is a URI, and a path is expected; write /{rest}"
    return (
        f"{scheme}://{rest} is an address, and only paths of this machine are opened; copy what is "
        "there, or mount it, and name that path"
    )


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], replaces: Collection[str] = ()) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends well.

    The temporary path may become a file or a folder. What stands at ``path`` is replaced; a link
    stays, and what it leads to is replaced. What a killed process left here is cleared.

    Args:
        path: where the file or folder is to stand.
        replaces: names in a folder at ``path`` that the new one need not have.

    Raises:
        SettingError: that is a folder with something which the new one lacks, or a file where a
            folder is to stand; see :func:`refuse_loss`.
        FileError: the file system refuses.
    """
    target = _place(path)
    with file_errors("cannot write", target, SCRATCH), scratch_beside(target) as scratch:
        temporary = scratch / target.name
        yield temporary
        _as_umask_says(temporary, scratch)
        if temporary.is_dir():
            refuse_loss(target, {entry.name for entry in temporary.iterdir()} | set(replaces))
        elif target.is_dir():
            refuse_loss(target, ())
        if target.is_dir():
            target.replace(replaced_in(scratch, target))
        temporary.replace(target)


def _as_umask_says(written: Path, scratch: Path) -> None:
    """Let read who may read the files that this process makes; safetensors are written for one."""
    probe = scratch / f"{written.name}.probe"
    probe.touch()  # asking for the umask would set it, for all threads
    mode = stat.S_IMODE(probe.stat().st_mode)
    for path in [written, *written.rglob("*")]:
        if path.is_file() and not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) | mode)


def _place(path: str | os.PathLike[str]) -> Path:
    """Where something is to stand: the full path, behind a link that leads there."""
    target = local_path(path).absolute()  # "." has no name
    return target.resolve() if target.is_symlink() or ".." in target.parts else target


def check_writable(path: str | os.PathLike[str], what: str) -> None:
    """Find out at once whether something can be written at a path, into it where it is a folder.

    Raises:
        SettingError: a file stands in the place of a folder.
        FileError: the file system refuses.
    """
    place = _place(local_path(path, what))
    with file_errors(f"{what}: cannot write", place, SCRATCH):
        folder = place if place.is_dir() else place.parent
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise SettingError(f"{what}: {folder} is a file, and a folder is needed; name another")
        os.rmdir(tempfile.mkdtemp(prefix=SCRATCH, dir=folder))  # noqa: PTH106


def check_new_file(path: str | os.PathLike[str], what: str) -> None:
    """Find out at once whether a file can be written at a path, and nothing is lost by it.

    Raises:
        SettingError: something stands there, or a file in the place of a folder.
        FileError: the file system refuses.
    """
    place = local_path(path, what)
    if os.path.lexists(place):
        raise SettingError(f"{what}: {place} is there and would be lost; name another file")
    check_writable(place, what)


def refuse_loss(
    folder: str | os.PathLike[str], names: Collection[str], why: str = "which would be lost"
) -> None:
    """Leave alone what stands where a folder with entries of these ``names`` is to be written.

    Args:
        folder: where to.
        names: entries that may stand there.
        why: what the error says of any other.

    Raises:
        SettingError: ``folder`` is a file, or holds an entry of another name.
    """
    path = Path(folder)
    if path.is_file():
        raise SettingError(f"{path} is a file, and a folder is to be written there; name another")
    names = {*names, LOCK, MADE_BY}
    entries = path.iterdir() if path.is_dir() else ()
    if others := sorted(entry.name for entry in entries if entry.name not in names):
        names_found = ", ".join(others[:NAMED]) + (", …" if len(others) > NAMED else "")
        raise SettingError(f"{path} holds {names_found}, {why}; name another folder, or empty it")


def write_json(path: str | os.PathLike[str], value: Any, sort_keys: bool = True) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    text = json.dumps(value, indent=2, sort_keys=sort_keys) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        DataError: it is damaged, or something else.
        OSError: it is not there, or may not be read.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: damaged, or no JSON: {reason}") from None


def fingerprint(parts: Iterable[str | bytes]) -> str:
    """A short name made from content: the first 16 hex digits of the SHA-256 of ``parts``."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]


def folder_fingerprint(
    folder: Path, renamed: Mapping[str, str] = MappingProxyType({}), without: Collection[str] = ()
) -> str:
    """The :func:`fingerprint` of a folder's files, names and contents.

    Args:
        folder: what to read.
        renamed: files whose name counts as another, so that a new name changes no fingerprint.
        without: files and folders in it that do not count.
    """
    return fingerprint(_pieces(folder, renamed, without))


def _pieces(
    folder: Path, renamed: Mapping[str, str], without: Collection[str]
) -> Iterator[str | bytes]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.name in (LOCK, MADE_BY):
            continue
        name = path.relative_to(folder).as_posix()
        if name.partition("/")[0] in without:
            continue
        yield renamed.get(name, name)
        with path.open("rb") as file:
            yield from iter(partial(file.read, 1 << 20), b"")


def cache_folder() -> Path:
    """Where things that are expensive to make are kept.

    $LLMREC_CACHE, else llmrec-env in $XDG_CACHE_HOME (which counts where it is absolute), else
    ~/.cache/llmrec-env.
    """
    if own := os.environ.get("LLMREC_CACHE"):
        return local_path(own, "$LLMREC_CACHE")
    everybodys = os.environ.get("XDG_CACHE_HOME", "")
    folder = everybodys if os.path.isabs(everybodys) else "~/.cache"  # noqa: PTH117
    return local_path(folder, "$XDG_CACHE_HOME") / "llmrec-env"


def is_missing_folder(name: str) -> bool:
    """Whether a name of a folder or of a hub's model can only be a path, and nothing is there."""
    return name.startswith(("/", ".")) and not Path(name).is_dir()
