"""Partitions a log into shards of whole users, without loading a parquet file as a whole.

A log in memory and a parquet file are partitioned by one rule: a shard ends with the user who
fills it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import local_path
from llmrec_env.common.progress import progress_bar
from llmrec_env.data.catalogue import Catalogue, check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.times import in_seconds
from llmrec_env.offline.files import DAMAGED

LogSource = InteractionLog | str | os.PathLike[str]
READ_ROWS = 50_000  # read at once, a few megabytes


@dataclass(frozen=True, eq=False)
class LogShard:
    """Some users of a log, each with all their interactions.

    Attributes:
        table: String columns ``user_id`` and ``item_id``, one row an interaction, oldest first
            within a user.
        first_user: how many users stand before them in the whole log.
        n_users: how many users these are.
    """

    table: pl.DataFrame
    first_user: int
    n_users: int


def partition_log(source: LogSource, catalogue: Catalogue, rows: int) -> Iterator[LogShard]:
    """Yield shards of at least ``rows`` interactions; the last may have fewer.

    Holds one shard and :data:`READ_ROWS` rows at a time, and eight bytes a user.

    Args:
        source: a log, or the path of a parquet file (or of a folder of them, in the order of their
            names) with the columns ``user_id`` and ``item_id``, one row an interaction, each user's
            rows together and oldest first. Where there is a column ``time``, it is held to that.
        catalogue: the items that the log may speak of.
        rows: interactions a shard, at least.

    Raises:
        DataError: the file is not there, no parquet, or lacks a column; a user's rows are not
            together or not in the order of time; an item is unknown; or nobody has two
            interactions.
    """
    return _partition(_LogReader(source, catalogue), catalogue, rows)


def _partition(reader: _LogReader, catalogue: Catalogue, rows: int) -> Iterator[LogShard]:
    hashes: list[NDArray[np.uint64]] = []
    first_row, first_user, longest = 0, 0, 0
    with progress_bar("partition the log", reader.n_rows) as advance:
        for table in _whole_users(reader.tables(), rows):
            users = _check_shard(table, catalogue, reader.name, first_row)
            yield LogShard(table.select("user_id", "item_id"), first_user, users.height)
            longest = max(longest, int(users["rows"].max()))  # type: ignore[arg-type]
            hashes.append(_hash(users["user_id"]))
            first_row += table.height
            first_user += users.height
            advance(table.height, "")
    if longest < 2:
        raise DataError(f"{reader.name}: no transitions: no user has two interactions")
    _check_no_user_returns(reader, np.concatenate(hashes))


class _LogReader:
    """The rows of a log in stretches, with their external ids."""

    def __init__(self, source: LogSource, catalogue: Catalogue) -> None:
        self.tables: Callable[[], Iterator[pl.DataFrame]]
        if isinstance(source, InteractionLog):
            self._log, self.name, self.n_rows = source, "the log", len(source)
            self.tables = self._tables_in_memory
            check_same_catalogue(catalogue, source.catalogue, "the log, for this simulator")
            if not source.lengths.all():
                raise DataError(
                    "a user of the log has no interactions; "
                    "log.keep(numpy.ones(len(log), dtype=bool)) leaves such users out"
                )
        else:
            path = local_path(source, "log")
            self._frame, self.name = _scan(path), str(path)
            self.n_rows = int(self._collected(self._frame.select(pl.len())).item())
            self.tables = self._tables_of_parquet
        if self.n_rows == 0:
            raise DataError(f"{self.name}: no interactions; expected at least one row")

    def _tables_in_memory(self) -> Iterator[pl.DataFrame]:
        log, users, ids = self._log, self._log.row_users, self._log.catalogue.table["item_id"]
        for first in range(0, self.n_rows, READ_ROWS):
            rows = slice(first, first + READ_ROWS)
            yield pl.DataFrame(
                {"user_id": log.user_ids[users[rows]], "item_id": ids[log.items[rows]]}
            )

    def _tables_of_parquet(self) -> Iterator[pl.DataFrame]:
        for first in range(0, self.n_rows, READ_ROWS):
            table = self._collected(self._frame.slice(first, READ_ROWS))
            if "time" in table.columns:  # texts too are compared as times: "9" is before "10"
                times = in_seconds(table["time"], self.name, first_row=first)
                table = table.with_columns(times.cast(pl.Float64))
            yield table

    def _collected(self, frame: pl.LazyFrame) -> pl.DataFrame:
        try:
            return frame.collect()
        except DAMAGED as error:
            raise _no_log(self.name, error) from None


def _scan(path: Path) -> pl.LazyFrame:
    files = _parquet_files(path)
    try:
        frame = pl.scan_parquet(files, glob=False)
        schema = frame.collect_schema()
    except DAMAGED as error:
        raise _no_log(path, error) from None
    for name in ("user_id", "item_id"):
        if name not in schema:
            raise DataError(f"{path}: no column {name!r} among {schema.names()}")
    ids = [pl.col(name).cast(pl.String) for name in ("user_id", "item_id")]
    return frame.select(*ids, *(["time"] if "time" in schema else []))


def _parquet_files(path: Path) -> list[Path]:
    """A file, or the files of a folder in the order of their names, which are taken literally."""
    if not path.exists():
        raise DataError(f"{path}: no such file; expected a log in parquet")
    if not path.is_dir():
        return [path]
    files = sorted(part for part in path.rglob("*.parquet") if part.is_file())
    shown = [part for part in files if not part.relative_to(path).as_posix().startswith(".")]
    if not shown:
        raise DataError(f"{path}: no parquet file in this folder; expected a log")
    return shown


def _no_log(path: str | Path, error: BaseException) -> DataError:
    reason = " ".join(str(error).split())[:200]
    return DataError(f"{path}: expected a log in parquet, but: {reason}")


def _whole_users(tables: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Join stretches, and divide them where a user begins and ``rows`` are full."""
    pending = next(tables)
    for table in chain([pending.clear()], tables):
        pending = pl.concat([pending, table])
        begins = _begins(pending["user_id"])
        borders = [0]
        while (after := np.searchsorted(begins, borders[-1] + rows)) < len(begins):
            borders.append(int(begins[after]))
        for first, last in pairwise(borders):
            yield pending[first:last]
        pending = pending[borders[-1] :]
    yield pending


def _begins(users: pl.Series) -> IntArray:
    """Rows at which another user begins."""
    other = users.ne_missing(users.shift(1)).to_numpy()
    other[:1] = True
    return np.flatnonzero(other)


def _check_shard(
    table: pl.DataFrame, catalogue: Catalogue, name: str, first_row: int
) -> pl.DataFrame:
    """The users of a shard, ``user_id`` and ``rows``, whose items are known and rows in order."""
    user_ids = table["user_id"]
    if user_ids.null_count():
        row = first_row + int(user_ids.is_null().arg_true()[0]) + 1
        raise DataError(f"{name}: row {row} has no user_id; expected one in every row")
    try:
        catalogue.index_of(table["item_id"])
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    begins = _begins(user_ids)
    users = pl.DataFrame(
        {"user_id": user_ids[begins], "rows": np.diff(begins, append=table.height)}
    )
    again = np.flatnonzero(~users["user_id"].is_first_distinct().to_numpy())
    if len(again):
        raise _not_together(name, users["user_id"][int(again[0])], first_row + begins[again[0]] + 1)
    if "time" in table.columns:
        back = (table["time"] < table["time"].shift(1)).fill_null(False).to_numpy()
        back[begins] = False
        if back.any():
            row = int(np.flatnonzero(back)[0])
            raise DataError(
                f"{name}: row {first_row + row + 1} of user {user_ids[row]!r} is earlier than the "
                f"row before it; {MEND}"
            )
    return users


MEND = (
    "sort the rows by user and time (as numbers or dates, not as texts), such as with polars "
    "scan_parquet(log).sort('user_id', 'time', maintain_order=True).sink_parquet(sorted_log)"
)


def _not_together(name: str, user: str, row: int) -> DataError:
    return DataError(
        f"{name}: the rows of user {user!r} are not together: they begin again at row {row}; {MEND}"
    )


def _hash(users: pl.Series) -> NDArray[np.uint64]:
    return users.hash(seed=0).to_numpy()


def _check_no_user_returns(reader: _LogReader, hashes: NDArray[np.uint64]) -> None:
    """Refuse a log in which a user of one shard comes again in another.

    The log is read once more only where two users' hashes are the same.
    """
    _, first_seen = np.unique(hashes, return_index=True)
    if len(first_seen) == len(hashes):
        return
    again = np.ones(len(hashes), dtype=bool)
    again[first_seen] = False
    wanted = hashes[again][0]
    first_row, last, user = 0, -1, None
    for table in reader.tables():
        for row in np.flatnonzero(_hash(table["user_id"]) == wanted):
            here, before = first_row + int(row), last
            user, last = user or table["user_id"][int(row)], here
            # two users of one hash are no harm
            if 0 <= before < here - 1 and table["user_id"][int(row)] == user:
                raise _not_together(reader.name, user, here + 1)
        first_row += table.height
