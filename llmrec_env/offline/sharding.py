"""Labelling a log shard by shard: memory does not grow with the log, and a run goes on if killed.

A part is written whole or not at all and never made again, so a repeated command makes what is
missing. Shards do not depend on each other: any process that sees the run folder
(:mod:`llmrec_env.offline.manifest`) can make any of them, which is how
:mod:`llmrec_env.offline.distributed` does it on many machines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.files import atomic_path
from llmrec_env.common.placement import dtype_name
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.log import InteractionLog
from llmrec_env.offline.files import missing_parts, part_path
from llmrec_env.offline.manifest import Plan, plan_run, saved_folder, scratch_of
from llmrec_env.offline.partition import LogSource
from llmrec_env.offline.table import Transitions
from llmrec_env.offline.transitions import transitions
from llmrec_env.users.base import UserSimulator
from llmrec_env.users.language import LanguageUser

SHARD_ROWS = 10_000  # with one added action, some 250 MB while the embedded LE labels them
ATTEMPTS = 5  # workers that may die of one shard


def label(
    source: LogSource,
    out: str | os.PathLike[str],
    simulator: str | os.PathLike[str] = "embedded",
    augment: int = 0,
    shard_rows: int = SHARD_ROWS,
    device: str = "cpu",
    dtype: str = "auto",
) -> Plan:
    """Label and augment a log in this process, shard by shard.

    The parts together are the table that ``transitions(log, simulator, augment=augment)`` gives.

    Args:
        source: a log, or the path of one in parquet, which is never read whole; see
            :func:`llmrec_env.offline.partition.cut_log`.
        out: the run folder; parts that are in it already are not made again.
        simulator: folder of a saved LE, or "embedded".
        augment: LE-generated actions added to each step.
        shard_rows: interactions a shard, at least: users are never cut apart.
        device: torch device of the LE.
        dtype: in which the LE computes, such as "bfloat16"; "auto" is that on a GPU, else float32.

    Returns:
        The plan of the run, whose ``shards`` say which users stand in which part.

    Raises:
        DataError: the log cannot be labelled (see :func:`~llmrec_env.offline.partition.cut_log`),
            or the folder holds another run or other files.
        SimulatorError: there is no saved LE.
        SettingError: a number is out of range.
    """
    folder = Path(out)
    plan = plan_run(source, folder, simulator, augment, shard_rows, dtype_name(dtype, device))
    missing = missing_parts(folder, len(plan.shards))
    if missing:
        user = load_user(simulator, device, plan.dtype)
        with shard_progress(plan, missing) as made:
            for number in missing:
                label_shard(folder, plan, number, user)
                made(number)
    return plan


def load_user(simulator: str | os.PathLike[str], device: str, dtype: str) -> LanguageUser:
    """Load who labels; arguments and errors as in :func:`label`."""
    return LanguageUser.from_pretrained(saved_folder(simulator), device=device, dtype=dtype)


def label_shard(folder: Path, plan: Plan, number: int, user: UserSimulator) -> None:
    """Make one part of a run folder, unless it is there.

    Args:
        folder: the run folder.
        plan: its plan.
        number: which shard.
        user: who labels, as the plan says.

    Raises:
        DataError: the shard of the log is not there.
        LLMRecError: so many workers died of this shard since the run began.
    """
    path = part_path(folder, number)
    if path.exists():
        return
    source = part_path(folder / "log", number)
    if not source.exists():
        raise DataError(f"{source} is not there: was the run folder cleared while it was filled?")
    if len(list(scratch_of(folder, path.name))) >= ATTEMPTS:
        raise LLMRecError(
            f"{ATTEMPTS} workers died while they made {path} (out of memory?); repeat the command "
            "with fewer workers, or in another folder with smaller shards"
        )
    with atomic_path(path) as temporary:  # what a killed worker leaves of it counts as an attempt
        log = InteractionLog.from_table(user.catalogue, pl.read_parquet(source), name=str(source))
        if int(log.lengths.max()) < 2:
            table = Transitions.empty(user.state_size, user.n_items, "language")
        else:
            table = transitions(log, user, augment=plan.augment)
        table = replace(table, user=table.user + plan.shards[number].first_user)
        table.save(temporary)


@contextmanager
def shard_progress(plan: Plan, missing: list[int]) -> Iterator[Callable[[int], None]]:
    """A bar over interactions; yields a function to call with the number of each part made."""
    left = sum(plan.shards[number].n_rows for number in missing)
    with progress_bar("label the log", plan.n_rows) as advance:
        advance(plan.n_rows - left, "")
        yield lambda number: advance(plan.shards[number].n_rows, "")
