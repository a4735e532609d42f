"""``Transitions``: a table of offline RL transitions, in memory and as parquet."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.arrays import BoolArray, FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import atomic_path, local_path
from llmrec_env.common.forking import fork_safe
from llmrec_env.offline.files import MARK, read_part, shard_paths


@dataclass(frozen=True, eq=False)
class Transitions:
    """Transitions in columns; logged rows in the order of the log, then augmented rows.

    Takes about ``2 * state_size + 10`` four-byte numbers a row (see :attr:`nbytes`).

    Attributes:
        state: float32 (n, state_size).
        action: int64 (n,), the item shown and taken.
        reward: float32 (n,), in [0, 1].
        next_state: float32 (n, state_size), the user after taking it, terminal or not.
        next_action: int64 (n,), what is taken next: the logged item, or after an augmented action
            the simulator's own next one; -1 where terminal.
        next_reward: float32 (n,), the reward of ``next_action``; 0 where terminal.
        terminal: bool (n,), the user's log ends here.
        augmented: bool (n,), a simulator added the row.
        user: int64 (n,), the user's row in the log.
        n_items: size of the catalogue.
        kind: "language" (simulator states) or "history" (the last items, most recent last,
            left-padded with ``n_items``).
    """

    state: FloatArray
    action: IntArray
    reward: FloatArray
    next_state: FloatArray
    next_action: IntArray
    next_reward: FloatArray
    terminal: BoolArray
    augmented: BoolArray
    user: IntArray
    n_items: int
    kind: str

    def __len__(self) -> int:
        return len(self.action)

    @property
    def state_size(self) -> int:
        """Length of a state vector."""
        return self.state.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that the columns take."""
        return sum(getattr(self, name).nbytes for name in COLUMNS)

    def frame(self) -> pl.DataFrame:
        """The columns as a polars frame; ``state`` and ``next_state`` are Array columns."""
        return pl.DataFrame({name: getattr(self, name) for name in COLUMNS})

    def save(self, path: str | os.PathLike[str], mark: str = "") -> None:
        """Write one parquet file, in which ``n_items`` and ``kind`` are constant columns.

        Args:
            path: where to.
            mark: what its metadata says that it is, where it is a part of a labelled log.
        """
        table = self.frame().with_columns(n_items=pl.lit(self.n_items), kind=pl.lit(self.kind))
        with atomic_path(path) as temporary:
            table.write_parquet(temporary, metadata={MARK: mark} if mark else None)

    @classmethod
    @fork_safe
    def load(cls, path: str | os.PathLike[str]) -> Transitions:
        """Read what :meth:`save` wrote, or all files of a folder that ``llmrec label`` made.

        Raises:
            DataError: the file is not there, damaged or lacks a column, or the folder a file.
        """
        path = local_path(path, "transitions")
        if path.is_dir():
            return cls._of_shards(shard_paths(path))
        table = read_part(path)
        missing = [name for name in (*COLUMNS, "n_items", "kind") if name not in table.columns]
        if missing or table.height == 0:
            raise DataError(
                f"{path}: no transitions table; expected at least one row and the columns that "
                f"Transitions.save writes, missing {missing}"
            )
        columns = {name: np.array(table[name].to_numpy()) for name in COLUMNS}
        return cls(**columns, n_items=int(table["n_items"][0]), kind=str(table["kind"][0]))

    @classmethod
    def _of_shards(cls, paths: list[Path]) -> Transitions:
        """The files' logged rows, then their augmented rows; holds the table and one file."""
        marks = [read_part(path, ["augmented"])["augmented"] for path in paths]
        order = np.argsort(pl.concat(marks).to_numpy(), kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        table, first = None, 0
        for path, mark in zip(paths, marks, strict=True):
            if len(mark) == 0:
                continue
            part = cls.load(path)
            table = part._sized(len(order)) if table is None else table
            for name in COLUMNS:
                getattr(table, name)[place[first : first + len(part)]] = getattr(part, name)
            first += len(part)
        if table is None:
            raise DataError(f"{paths[0].parent}: no file holds a transition")
        return table

    def _sized(self, n_rows: int) -> Transitions:
        """Columns of the same kinds for ``n_rows`` rows, to be filled."""
        columns: dict[str, Any] = {}
        for name in COLUMNS:
            column = getattr(self, name)
            columns[name] = np.empty((n_rows, *column.shape[1:]), dtype=column.dtype)
        return replace(self, **columns)

    @classmethod
    def empty(cls, state_size: int, n_items: int, kind: str) -> Transitions:
        """A table without rows."""
        states, numbers = np.empty((0, state_size), np.float32), np.empty(0, np.int64)
        rewards, marks = np.empty(0, np.float32), np.empty(0, bool)
        return cls(
            state=states,
            action=numbers,
            reward=rewards,
            next_state=states,
            next_action=numbers,
            next_reward=rewards,
            terminal=marks,
            augmented=marks,
            user=numbers,
            n_items=n_items,
            kind=kind,
        )

    def rows(self, chosen: BoolArray) -> Transitions:
        """The table of the rows where ``chosen`` bool (n,) is true."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in COLUMNS})

    def followed_by(self, other: Transitions) -> Transitions:
        """The rows of this table, then those of another of the same kind."""
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in COLUMNS
        }
        return replace(self, **columns)


COLUMNS = tuple(field.name for field in fields(Transitions))[:-2]
