"""``Manifest``: describes a labelling run by its settings and the users of each shard.

A run is one folder::

    manifest.json                who labels, how, and which users each shard holds
    log/part-00000.parquet ...   the log, in shards of whole users
    part-00000.parquet ...       their transitions; together one table, which Transitions.load reads
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from llmrec_env.common.errors import DataError, SettingError, SimulatorError
from llmrec_env.common.files import atomic_path, fingerprint, read_json, write_json
from llmrec_env.language.saving import saved_catalogue, saved_fingerprint
from llmrec_env.offline.files import MANIFEST, manifest_path, shard_path
from llmrec_env.offline.partition import LogShard, LogSource, partition_log
from llmrec_env.users.origin import EMBEDDED

FORMAT = 1
SETTINGS = ("simulator", "augment", "dtype", "shard_rows")


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
        if values.get("format") != FORMAT:
            raise DataError(
                f"{path} has format {values.get('format')!r}, this version reads "
                f"{FORMAT}; label into another folder"
            )
        settings = {name: values[name] for name in SETTINGS}
        return cls(**settings, shards=tuple(Shard(**shard) for shard in values["shards"]))


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
    for scratch in (*scratch_of(folder, "part-"), *scratch_of(folder, "log")):
        shutil.rmtree(scratch, ignore_errors=True)
    shards = partition_log(source, saved_catalogue(le), shard_rows)
    if before is None:
        with atomic_path(folder / "log") as scratch:
            scratch.mkdir()
            manifest = replace(manifest, shards=tuple(_written(shards, scratch)))
        manifest.save(folder)
    else:
        manifest = replace(manifest, shards=tuple(map(_described, shards)))
        _check_same_run(before, manifest, folder)
    return manifest


def saved_folder(simulator: str | os.PathLike[str]) -> Path:
    """The folder of a saved LE, the package's own for "embedded".

    Raises:
        SimulatorError: there is none.
    """
    folder = EMBEDDED if simulator == "embedded" else Path(simulator).expanduser()
    if not (folder / "config.json").exists():
        raise SimulatorError(
            f"no saved LE in {os.fspath(simulator)!r}: shards are labelled by one that can be "
            'loaded anew, "embedded" or a folder that `llmrec fit` wrote'
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
    others = [p.name for p in folder.iterdir() if p.name != "log" and not p.name.startswith(".")]
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
        shard.table.write_parquet(shard_path(folder, number))
        yield _described(shard)


def _described(shard: LogShard) -> Shard:
    columns = (shard.table[name].to_list() for name in ("user_id", "item_id"))
    content = fingerprint("\n".join(values) for values in columns)
    return Shard(shard.first_user, shard.n_users, shard.table.height, content)


def scratch_of(folder: Path, name: str) -> list[Path]:
    """What those who write ``name`` into a folder hold, or left there when they were killed."""
    return list(folder.glob(f".{name}*"))
