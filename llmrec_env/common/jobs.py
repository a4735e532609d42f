"""``run_jobs``: runs independent jobs in worker processes and shows their progress bars."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for_any
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from rich.text import Text

from llmrec_env.common import progress
from llmrec_env.common.errors import LLMRecError

Job = Callable[[], object]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(
    jobs: Mapping[str, Job], workers: int, needs: Mapping[str, Collection[str]] | None = None
) -> None:
    """Run every job once, each with one torch thread, so that cores do not change its numbers.

    Args:
        jobs: what to call, by name, in the order in which to begin; to cross into a process they
            must be picklable, and what they find they must write down themselves.
        workers: processes at once; 1 runs all jobs here, one after the other.
        needs: the jobs that a job waits for, by its name; names that are no jobs count as done.

    Raises:
        LLMRecError: a process was killed, or jobs wait for each other.
        Exception: whatever a job raises; jobs that have not begun then never do.
    """
    turn = _Turn(jobs, needs or {})
    if workers == 1 or len(jobs) < 2:
        with _one_thread():
            while name := turn.next():
                _tell(name, _timed(jobs[name]))
                turn.end(name)
    else:
        _run_in_processes(jobs, turn, min(workers, len(jobs)))
    turn.check_all_ran()


class _Turn:
    """Whose turn it is: the first job that waits for no other."""

    def __init__(self, jobs: Mapping[str, Job], needs: Mapping[str, Collection[str]]) -> None:
        self._waiting, self._unfinished, self._needs = list(jobs), set(jobs), needs

    def next(self) -> str | None:
        for name in self._waiting:
            if self._unfinished.isdisjoint(self._needs.get(name, ())):
                self._waiting.remove(name)
                return name
        return None

    def end(self, name: str) -> None:
        self._unfinished.remove(name)

    def check_all_ran(self) -> None:
        if self._waiting:
            raise LLMRecError(f"jobs wait for each other: {', '.join(self._waiting)}")


def _run_in_processes(jobs: Mapping[str, Job], turn: _Turn, workers: int) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    heard, line = context.Pipe(duplex=False)
    begin = (queue, heard, progress.is_shown())
    with (
        progress.relayed_bars(queue),
        _one_thread_each(),
        ProcessPoolExecutor(workers, context, _begin, begin) as pool,
    ):
        running: dict[Future[float], str] = {}
        try:
            while True:
                while len(running) < workers and (name := turn.next()):
                    running[pool.submit(_timed, jobs[name])] = name
                if not running:
                    return
                for future in wait_for_any(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    _tell(name, _result(future, name))
                    turn.end(name)
        except BaseException:
            line.close()  # a pool on its way out would still do the jobs that it holds
            raise


def _timed(job: Job) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def _tell(name: str, seconds: float) -> None:
    if progress.is_shown():
        progress.console.print(Text.assemble((name, "bold"), f": {seconds:.0f} s"))


def _result(future: Future[float], name: str) -> float:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise LLMRecError(
            f"the process at work on {name!r} or beside it was killed (out of memory?): start "
            "again with fewer workers, what was finished is kept. If this is a script, it must "
            'begin its work under `if __name__ == "__main__":`'
        ) from error


def _begin(queue: Any, parent: Connection, shown: bool) -> None:
    """What a worker process does first."""
    if not shown:
        progress.hide_always()
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    progress.relay_bars(queue)


def _end_with_parent(parent: Connection) -> None:
    """A worker whose parent gave up or was killed, so that its line is dead, works for nobody."""
    wait([parent])
    os._exit(1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes begun in this block get one thread from every library that asks the environment."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
