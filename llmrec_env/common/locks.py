"""Locks of folders, so that two programs do not write one; a lock ends with its process.

A lock is a hidden file in the folder, which names its holder and goes with it. Where the file
system or the operating system knows no ``flock``, nothing is locked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

from llmrec_env.common.errors import SettingError

try:
    import fcntl
except ImportError:  # pragma: no cover  Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".llmrec-lock"
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL}
"""What file systems answer that know no locks."""


class BusyError(SettingError):
    """Another process holds the lock of a folder."""


_held: dict[Path, int] = {}
"""The open lock files of this process."""


def lock_folder(folder: Path) -> bool:
    """Lock a folder, which must be there, until :func:`unlock_folder` or the end of this process.

    Returns:
        Whether it is locked now; False where there are no locks.

    Raises:
        BusyError: another process holds the lock.
        OSError: the folder cannot be written.
    """
    path = folder.resolve() / LOCK
    if holds_lock(folder):
        return True
    if fcntl is None or (descriptor := _locked(path)) is None:
        return False
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()} {socket.gethostname()}".encode())
    _held[path] = descriptor
    return True


def holds_lock(folder: Path) -> bool:
    """Whether this process has locked a folder, which was not removed since."""
    path = folder.resolve() / LOCK
    return path in _held and _stands_at(path, _held[path])


def unlock_folder(folder: Path) -> None:
    """Give up the lock of a folder, where this process holds it."""
    path = folder.resolve() / LOCK
    if (descriptor := _held.pop(path, None)) is not None:
        try:
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _locked(path: Path) -> int | None:
    """A locked descriptor of the file at a path; None where there are no locks."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 300, 0).decode(errors="replace").split()
            os.close(descriptor)
            if error.errno in NO_LOCKS:
                path.unlink(missing_ok=True)
                return None
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise _busy(path.parent, holder) from None
        if _stands_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # its holder removed it in this moment


def _stands_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _busy(folder: Path, holder: list[str]) -> BusyError:
    who = f"process {holder[0]}" if holder else "another process"
    if len(holder) > 1 and holder[1] != socket.gethostname():
        who += f" on {holder[1]}"
    return BusyError(f"{who} is at work in {folder}; wait for its end, or name another folder")


def _forget() -> None:
    """In a forked child, which does not hold what its parent holds."""
    for descriptor in _held.values():
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
