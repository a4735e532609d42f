"""Progress bars on standard error, through rich; those of other processes too."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from llmrec_env.common import processes

T = TypeVar("T")
console = Console(stderr=True)


_relay: Any = None
"""Where this process sends its bars, if another process draws them."""


@contextlib.contextmanager
def progress_bar(
    description: str, total: int | None, show: bool = True
) -> Iterator[Callable[[int, str], None]]:
    """Show one bar while the block runs; yields ``advance(steps, note)``.

    Of several processes that learn together only the main one shows it.
    """
    show = show and processes.is_main()
    if _relay is not None and show:
        with _relayed_bar(description, total) as advance:
            yield advance
        return
    with _display(show) as progress:
        task = progress.add_task(description, total=total, note="")

        def advance(steps: int, note: str = "") -> None:
            progress.update(task, advance=steps, note=note)

        yield advance


def relay_bars(queue: Any) -> None:
    """Send all further bars of this process through a ``multiprocessing`` queue."""
    global _relay
    queue.cancel_join_thread()  # nobody waits for the last bar
    _relay = queue


@contextlib.contextmanager
def relayed_bars(queue: Any, show: bool = True) -> Iterator[None]:
    """Draw the bars that other processes send through ``queue``; one vanishes as it ends."""
    with _display(show) as progress:
        drawer = threading.Thread(target=_draw, args=(queue, progress), daemon=True)
        drawer.start()
        try:
            yield
        finally:
            queue.cancel_join_thread()
            queue.put(None)
            drawer.join(timeout=5)  # a worker that was killed may have left the queue locked


def _display(show: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    return Progress(*columns, console=console, disable=not show, refresh_per_second=4)


@contextlib.contextmanager
def _relayed_bar(description: str, total: int | None) -> Iterator[Callable[[int, str], None]]:
    key = (os.getpid(), time.monotonic_ns())
    done, sent = 0, time.monotonic()
    _relay.put((key, description, total, 0, ""))

    def advance(steps: int, note: str = "") -> None:
        nonlocal done, sent
        done += steps
        if time.monotonic() - sent > 0.25:  # as often as bars are drawn
            sent = time.monotonic()
            _relay.put((key, description, total, done, note))

    try:
        yield advance
    finally:
        _relay.put((key, description, total, None, ""))


def _draw(queue: Any, progress: Progress) -> None:
    tasks: dict[tuple[int, int], TaskID] = {}
    for key, description, total, done, note in iter(queue.get, None):
        if key not in tasks:
            tasks[key] = progress.add_task(description, total=total, note="")
        if done is None:
            progress.remove_task(tasks.pop(key))
        else:
            progress.update(tasks[key], completed=done, note=note)


def track(
    items: Iterable[T], description: str, total: int | None = None, show: bool = True
) -> Iterator[T]:
    """Iterate over ``items`` under a progress bar."""
    length = total if total is not None else len(items) if isinstance(items, Sized) else None
    with progress_bar(description, length, show) as advance:
        for item in items:
            yield item
            advance(1, "")
