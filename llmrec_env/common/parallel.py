"""Independent pieces of work over several processes, their progress bars drawn in one place."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from llmrec_env.common import progress
from llmrec_env.common.errors import LLMRecError

Job = Callable[[], object]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(jobs: Mapping[str, Job], workers: int) -> None:
    """Run every job once, each with one torch thread, so that cores do not change its numbers.

    Args:
        jobs: what to call, by name, in the order in which to begin; to cross into a process they
            must be picklable, and what they find they must write down themselves.
        workers: processes at once; 1 runs all jobs here, one after the other.

    Raises:
        LLMRecError: a process was killed.
        Exception: whatever a job raises; jobs that have not begun then never do.
    """
    if workers == 1 or len(jobs) < 2:
        with _one_thread():
            for name, job in jobs.items():
                _tell(name, _timed(job))
        return
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    heard, line = context.Pipe(duplex=False)
    with (
        progress.relayed_bars(queue),
        _one_thread_each(),
        ProcessPoolExecutor(
            min(workers, len(jobs)), context, _begin, (queue, heard, progress.is_shown())
        ) as pool,
    ):
        futures = {pool.submit(_timed, job): name for name, job in jobs.items()}
        try:
            for future in as_completed(futures):
                _tell(futures[future], _result(future, futures[future]))
        except BaseException:
            line.close()  # a pool on its way out would still do every job that it holds
            raise


def _timed(job: Job) -> float:
    began = time.perf_counter()
    job()
    return time.perf_counter() - began


def _tell(name: str, seconds: float) -> None:
    if progress.is_shown():
        progress.console.print(f"[bold]{name}[/bold]: {seconds:.0f} s")


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
