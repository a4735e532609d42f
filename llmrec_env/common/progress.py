"""Progress bars on standard error, drawn by rich; worker processes' bars are shown too. Where there
is no terminal, a line says from time to time how far the work is.

Code that takes time opens a bar with :func:`progress_bar` or :func:`track`, without checking
whether bars are shown. A bar appears once its work has lasted :data:`DELAY` seconds; work inside
other work shows no bar of its own. To show none::

    with progress.hidden():
        recommender.fit(log)
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, TypeVar

from llmrec_env.common import processes

_drawn = random.getstate()  # importing rich draws from the global generator
from rich.console import Console  # noqa: E402
from rich.progress import (  # noqa: E402
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

random.setstate(_drawn)

T = TypeVar("T")
console = Console(stderr=True)


DELAY = 0.5
"""Seconds of work before its bar appears."""
LINE_EVERY = 30.0
"""Seconds between two lines where no terminal draws bars, such as in a pipe or a log file."""

_relay: Any = None
"""Where this process sends its bars, if another process draws them."""

_hidden = False
"""Whether bars are hidden: by :func:`hidden`, or because they would stand within another."""


def is_shown() -> bool:
    """Whether progress is shown; of several processes that learn together, by the main one."""
    return not _hidden and processes.is_main()


@contextlib.contextmanager
def hidden(hide: bool = True) -> Iterator[None]:
    """Show no progress while the block runs; with ``hide=False``, show it again."""
    global _hidden
    before, _hidden = _hidden, hide
    try:
        yield
    finally:
        _hidden = before


def hide_always() -> None:
    """Show no progress in this process."""
    global _hidden
    _hidden = True


@contextlib.contextmanager
def progress_bar(description: str, total: int | None) -> Iterator[Callable[[int, str], None]]:
    """Show one bar while the block runs; yields ``advance(steps, note)``."""
    if not is_shown():
        yield _no_advance
        return
    with (
        (_relayed_bar if _relay is not None else _own_bar)(description, total) as advance,
        hidden(),
    ):
        yield advance


def say(line: str) -> None:
    """Print a line to standard error where progress is shown; a worker process prints none."""
    if is_shown() and _relay is None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _no_advance(steps: int, note: str = "") -> None:
    pass


@contextlib.contextmanager
def _own_bar(description: str, total: int | None) -> Iterator[Callable[[int, str], None]]:
    progress = _display()
    task = progress.add_task(description, total=total, note="")
    begin = threading.Timer(DELAY, progress.start)
    begin.daemon = True
    begin.start()
    lines = _Lines()

    def advance(steps: int, note: str = "") -> None:
        progress.update(task, advance=steps, note=note)
        lines.tell(progress, task)

    try:
        yield advance
    finally:
        begin.cancel()
        begin.join()
        if progress.live.is_started:  # a bar that never appeared would leave an empty line
            progress.stop()


class _Lines:
    """Says from time to time how far some work is, where no terminal draws its bar."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def tell(self, progress: Progress, task: TaskID) -> None:
        if console.is_terminal or time.monotonic() - self._told < LINE_EVERY:
            return
        self._told = time.monotonic()
        work = progress.tasks[progress.task_ids.index(task)]
        total = "" if work.total is None else f"/{work.total:.0f}"
        line = f"{work.description}: {work.completed:.0f}{total} {work.fields['note']}".rstrip()
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def relay_bars(queue: Any) -> None:
    """Send all further bars of this process through a ``multiprocessing`` queue."""
    global _relay
    queue.cancel_join_thread()  # nobody waits for the last bar
    _relay = queue


@contextlib.contextmanager
def relayed_bars(queue: Any) -> Iterator[None]:
    """Draw the bars that other processes send through ``queue``; one vanishes as it ends."""
    with _display() as progress:
        drawer = threading.Thread(target=_draw, args=(queue, progress), daemon=True)
        drawer.start()
        try:
            yield
        finally:
            queue.cancel_join_thread()
            queue.put(None)
            drawer.join(timeout=5)  # a worker that was killed may have left the queue locked


def _display() -> Progress:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    return Progress(*columns, console=console, disable=not is_shown(), refresh_per_second=4)


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
    lines = _Lines()
    for key, description, total, done, note in iter(queue.get, None):
        if key not in tasks:
            tasks[key] = progress.add_task(description, total=total, note="")
        if done is None:
            progress.remove_task(tasks.pop(key))
        else:
            progress.update(tasks[key], completed=done, note=note)
            lines.tell(progress, tasks[key])


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate over ``items`` under a progress bar."""
    length = total if total is not None else len(items) if isinstance(items, Sized) else None
    with progress_bar(description, length) as advance:
        for item in items:
            yield item
            advance(1, "")
