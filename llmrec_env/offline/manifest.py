"""``Manifest``: describes a labelling run by its settings and the users of each shard.

A run is one folder::

    manifest.json                who labels, how, and which users each shard holds
    log/part-00000.parquet ...   the log, in shards of whole users
    part-00000.parquet ...       their transitions; together one table, which Transitions.load reads
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from llmrec_env.common.errors import DataError, SettingError, SimulatorError
from llmrec_env.common.file_errors import file_errors
from llmrec_env.common.files import (
    atomic_path,
    check_writable,
    fingerprint,
    local_path,
    read_json,
    write_json,
)
from llmrec_env.common.locks import lock_folder, unlock_folder
from llmrec_env.common.scratch import clear_all_scratch
from llmrec_env.language.saving import saved_catalogue, saved_fingerprint
from llmrec_env.offline.files import (
    LOG,
    MANIFEST,
    MARK,
    SETTINGS,
    is_made,
    manifest_path,
    marks,
    read_part,
    shard_path,
)
from llmrec_env.offline.partition import LogShard, LogSource, partition_log
from llmrec_env.users.origin import EMBEDDED

FORMAT = 2
ATTEMPTS = ".llmrec-attempts"
"""Folder in which workers note which shards they began."""


@dataclass(frozen=True)
class Shard:
    """Some users of a log, each with all their interactions."""

    first_user: int
    """How many users stand before them in the whole log."""
    n_users: int
    n_rows: int
    """Their interactions."""
    content: str
    """Fingerprint of the interactions."""


@dataclass(frozen=True)
class Manifest:
    """What a run folder is for; two runs with equal manifests make equal files."""

    simulator: str
    """Fingerprint of the saved LE."""
    augment: int
    """LE-generated actions added to each step."""
    dtype: str
    """In which the LE computes."""
    shard_rows: int
    """Interactions a shard, at least."""
    shards: tuple[Shard, ...] = ()

    @property
    def n_users(self) -> int:
        """Users of the log."""
        return sum(shard.n_users for shard in self.shards)

    @property
    def n_rows(self) -> int:
        """Interactions of the log."""
        return sum(shard.n_rows for shard in self.shards)

    @property
    def marks(self) -> list[str]:
        """What the file of each shard says that it is."""
        return marks(asdict(self))

    def save(self, folder: Path) -> None:
        """Write it into the run folder."""
        totals = {"format": FORMAT, "n_users": self.n_users, "n_rows": self.n_rows}
        write_json(folder / MANIFEST, totals | asdict(self), sort_keys=False)

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read the manifest of a run folder.

        Raises:
            DataError: there is none, or one of another version's.
        """
        path = manifest_path(folder)
        if not path.exists():
            raise DataError(
                f"{folder} holds no run: there is no {MANIFEST} in it; the folder must stand on a "
                "file system that every machine of the run sees under this name"
            )
        values = read_json(path)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            form = values.get("format") if isinstance(values, dict) else None
            raise DataError(
                f"{path} has format {form!r}, this version goes on with format {FORMAT}; label "
                "into another folder"
            )
        try:
            settings = {name: values[name] for name in SETTINGS}
            return cls(**settings, shards=tuple(Shard(**shard) for shard in values["shards"]))
        except (KeyError, TypeError):
            raise DataError(f"{path} is not the manifest of a labelled log") from None


def prepare_run(
    source: LogSource,
    folder: Path,
    simulator: str | os.PathLike[str],
    augment: int,
    shard_rows: int,
    dtype: str,
) -> Manifest:
    """Write the manifest and the log's shards; in a folder of the same run, change nothing.

    The arguments and errors are those of :func:`llmrec_env.offline.sharding.label`. The log is read
    through either way: it must be the one that the folder was made for.
    """
    if augment < 0 or shard_rows < 1:
        raise SettingError(
            f"augment counts actions a step, 0 or more, and shard_rows interactions, 1 or more; "
            f"got augment={augment} and shard_rows={shard_rows}"
        )
    le = saved_folder(simulator)
    manifest = Manifest(saved_fingerprint(le), augment, dtype, shard_rows)
    before = _manifest_before(folder)
    if before is not None:
        _check_same_run(before, replace(manifest, shards=before.shards), folder)
    shards = partition_log(source, saved_catalogue(le), shard_rows)
    if before is None:
        left = folder / "log"  # of a run that was killed before it wrote its manifest
        names = [entry.name for entry in left.iterdir()] if left.is_dir() else []
        with atomic_path(left, names) as scratch:
            scratch.mkdir()
            manifest = replace(manifest, shards=tuple(_written(shards, scratch)))
        manifest.save(folder)
    else:
        manifest = replace(manifest, shards=tuple(_mended(shards, folder / "log", before)))
        _check_same_run(before, manifest, folder)
    return manifest


def check_folder(out: str | os.PathLike[str]) -> Path:
    """The place of a labelled log, which can be written, and is free or holds one already.

    Raises:
        SettingError: it is no path.
        FileError: it cannot be written.
        DataError: it is a file, or a folder that holds something else.
    """
    folder = local_path(out, "--out").absolute()
    _manifest_before(folder)
    check_writable(folder, "--out")
    return folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run folder while the block runs, and clear what was killed.

    Raises:
        SettingError: another process is at work in it.
        FileError: it cannot be written.
    """
    with file_errors("cannot write", folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock_folder(folder)
    try:
        clear_all_scratch(folder)
        yield
    finally:
        clear_all_scratch(folder)
        unlock_folder(folder)
        with contextlib.suppress(OSError):  # it holds something now
            folder.rmdir()


def saved_folder(simulator: str | os.PathLike[str]) -> Path:
    """The folder of a saved LE, the package's own for "embedded".

    Raises:
        SimulatorError: there is none.
    """
    folder = EMBEDDED if simulator == "embedded" else local_path(simulator, "simulator")
    if not (folder / "config.json").exists():
        raise SimulatorError(
            f"no saved LE in {os.fspath(simulator)!r}; expected a folder that `llmrec fit` wrote, "
            'or "embedded", the one that comes with the package'
        )
    return folder


def _manifest_before(folder: Path) -> Manifest | None:
    """The manifest of a folder that holds a run, None where nothing stands in the way of one."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; a labelled log is a folder of parts, name another")
    if not folder.exists():
        return None
    if manifest_path(folder).exists():
        return Manifest.load(folder)
    others = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
    if others == ["log"] and _is_ours(folder / "log"):  # killed before its manifest was written
        return None
    if others:
        raise DataError(
            f"{folder} holds other files ({others[0]!r} among {len(others)}) and no run; name a "
            "folder that is new or empty"
        )
    return None


def _check_same_run(before: Manifest, now: Manifest, folder: Path) -> None:
    differences = {
        "simulator": "another simulator",
        "augment": f"augment={before.augment} instead of {now.augment}",
        "dtype": f"dtype={before.dtype} instead of {now.dtype}",
        "shard_rows": f"shard_rows={before.shard_rows} instead of {now.shard_rows}",
        "shards": "another log",
    }
    other = [
        text for name, text in differences.items() if getattr(before, name) != getattr(now, name)
    ]
    if other:
        raise DataError(
            f"{folder} holds another run ({', '.join(other)}); repeat the command that began it, "
            "or name another folder"
        )


def _written(shards: Iterator[LogShard], folder: Path) -> Iterator[Shard]:
    for number, shard in enumerate(shards):
        _write(shard, shard_path(folder, number))
        yield _described(shard)


def _mended(shards: Iterator[LogShard], log: Path, before: Manifest) -> Iterator[Shard]:
    """What shards hold; the file of one that is not as the run wrote it is written again."""
    for number, shard in enumerate(shards):
        path, now = shard_path(log, number), _described(shard)
        if number < len(before.shards) and now == before.shards[number]:
            try:
                same = read_part(path).equals(shard.table)
            except DataError:
                same = False
            if not same:
                _write(shard, path)
        yield now


def _is_ours(log: Path) -> bool:
    """Whether a folder holds shards of a log that a run wrote, and nothing else."""
    try:
        return log.is_dir() and all(is_made(path, LOG) for path in log.iterdir())
    except DataError:
        return False


def _write(shard: LogShard, path: Path) -> None:
    with atomic_path(path) as temporary:
        shard.table.write_parquet(temporary, metadata={MARK: LOG})


def _described(shard: LogShard) -> Shard:
    columns = (shard.table[name].to_list() for name in ("user_id", "item_id"))
    content = fingerprint("\n".join(values) for values in columns)
    return Shard(shard.first_user, shard.n_users, shard.table.height, content)
