"""Labels a log shard by shard, in bounded memory; a killed run is continued.

A file is written whole or not at all and never made again, so a repeated command makes what is
missing. Shards do not depend on each other: any process that sees the run folder
(:mod:`llmrec_env.offline.manifest`) can make any of them, which is how
:mod:`llmrec_env.offline.distributed` does it on many machines.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from llmrec_env.common.device import dtype_name
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.files import is_made, missing_shards, read_part, shard_path
from llmrec_env.offline.manifest import (
    ATTEMPTS,
    Manifest,
    check_folder,
    locked,
    prepare_run,
    saved_folder,
)
from llmrec_env.offline.partition import LogSource
from llmrec_env.offline.table import Transitions
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser

SHARD_ROWS = 10_000  # with one added action, some 250 MB while the embedded LE labels them
TRIES = 5  # workers that may die of one shard


def label(
    source: LogSource,
    out: str | os.PathLike[str],
    simulator: str | os.PathLike[str] = "embedded",
    augment: int = 0,
    shard_rows: int = SHARD_ROWS,
    device: str = "cpu",
    dtype: str = "auto",
) -> Manifest:
    """Label and augment a log in this process, shard by shard.

    The files together are the table that ``transitions(log, simulator, augment=augment)`` gives.

    Args:
        source: a log, or the path of one in parquet, which is never read whole; see
            :func:`llmrec_env.offline.partition.partition_log`.
        out: the run folder; files that are in it already are not made again.
        simulator: folder of a saved LE, or "embedded".
        augment: LE-generated actions added to each step.
        shard_rows: interactions a shard, at least: a user is never divided.
        device: torch device of the LE.
        dtype: in which the LE computes, such as "bfloat16"; "auto" is that on a GPU, else float32.

    Returns:
        The manifest of the run, whose ``shards`` say which users stand in which file.

    Raises:
        DataError: the log cannot be labelled (see :func:`.partition.partition_log`), or the
            folder holds another run or other files.
        SimulatorError: there is no saved LE.
        SettingError: a number is out of range, a path is a URI, or another process is at work in
            the folder.
        FileError: the folder cannot be written.
    """
    folder = check_folder(out)
    with locked(folder):
        manifest = prepare_run(
            source, folder, simulator, augment, shard_rows, dtype_name(dtype, device)
        )
        missing = missing_shards(folder, manifest.marks)
        if missing:
            user = load_user(simulator, device, manifest.dtype)
            with shard_progress(manifest, missing) as made:
                for number in missing:
                    label_shard(folder, manifest, number, user)
                    made(number)
    return manifest


def load_user(simulator: str | os.PathLike[str], device: str, dtype: str) -> LanguageUser:
    """Load who labels; arguments and errors as in :func:`label`."""
    return LanguageUser.from_pretrained(saved_folder(simulator), device=device, dtype=dtype)


def label_shard(folder: Path, manifest: Manifest, number: int, user: UserSimulator) -> None:
    """Make the file of one shard in a run folder, unless it is there.

    Args:
        folder: the run folder.
        manifest: its manifest.
        number: which shard.
        user: who labels, as the manifest says.

    Raises:
        DataError: the shard of the log is not there.
        LLMRecError: so many workers died of this shard since the run began.
    """
    path, mark = shard_path(folder, number), manifest.marks[number]
    if is_made(path, mark):
        return
    source = shard_path(folder / "log", number)
    if not source.exists():
        raise DataError(f"{source} is not there: was the run folder cleared while it was filled?")
    with _attempt(folder, path):
        log = InteractionLog.from_table(user.catalogue, read_part(source), name=str(source))
        if int(log.lengths.max()) < 2:
            table = Transitions.empty(user.state_size, user.n_items, "language")
        else:
            table = transitions(log, user, augment=manifest.augment)
        table = replace(table, user=table.user + manifest.shards[number].first_user)
        table.save(path, mark)


@contextmanager
def _attempt(folder: Path, path: Path) -> Iterator[None]:
    """Note that a part was begun, and forget it when the block ends: who is killed does not."""
    notes = folder / ATTEMPTS
    notes.mkdir(exist_ok=True)
    if len(list(notes.glob(f"{path.name}.*"))) >= TRIES:
        raise LLMRecError(
            f"{TRIES} workers died while they made {path} (out of memory?); repeat the command "
            "with fewer workers, or in another folder with smaller shards"
        )
    descriptor, note = tempfile.mkstemp(prefix=f"{path.name}.", dir=notes)
    os.close(descriptor)
    try:
        yield
    finally:
        Path(note).unlink(missing_ok=True)


@contextmanager
def shard_progress(manifest: Manifest, missing: list[int]) -> Iterator[Callable[[int], None]]:
    """A bar over interactions; yields a function to call with the number of each shard made."""
    left = sum(manifest.shards[number].n_rows for number in missing)
    with progress_bar("label the log", manifest.n_rows) as advance:
        advance(manifest.n_rows - left, "")
        yield lambda number: advance(manifest.shards[number].n_rows, "")
