"""Progress bars on standard error, through rich."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
console = Console(stderr=True)


@contextlib.contextmanager
def progress_bar(
    description: str, total: int | None, show: bool = True
) -> Iterator[Callable[[int, str], None]]:
    """Show one bar while the block runs; yields ``advance(steps, note)``."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not show, refresh_per_second=4) as progress:
        task = progress.add_task(description, total=total, note="")

        def advance(steps: int, note: str = "") -> None:
            progress.update(task, advance=steps, note=note)

        yield advance


def track(
    items: Iterable[T], description: str, total: int | None = None, show: bool = True
) -> Iterator[T]:
    """Iterate over ``items`` under a progress bar."""
    length = total if total is not None else len(items) if isinstance(items, Sized) else None
    with progress_bar(description, length, show) as advance:
        for item in items:
            yield item
            advance(1, "")
