"""Keeps forked processes from waiting for ever: threads of their parent do not live on in them.

torch (and faiss) compute with a pool of OpenMP's threads, polars with a pool of its own. A forked
child has inherited what the pools know and none of their threads, so the first thing that it
computes in parallel waits for an answer that never comes. Here

* a forked child computes with one thread, which needs no pool;
* what reads tables with polars is :func:`fork_safe`: in a forked child it runs in a new process.

A child of the start methods "spawn" and "forkserver" has pools of its own and is left alone.
"""

from __future__ import annotations

import functools
import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from llmrec_env.common.errors import LLMRecError

P = ParamSpec("P")
T = TypeVar("T")

_polars_lost = False
_NEW_PROCESS = """
import pickle, sys
answers, sys.stdout = sys.stdout.buffer, sys.stderr
sys.path[:] = pickle.load(sys.stdin.buffer)
from llmrec_env.common.forking import _answer
_answer(sys.stdin.buffer, answers)
"""


def protect_forks() -> None:
    """Have children that this process forks later compute with one thread; called once."""
    if hasattr(os, "register_at_fork"):  # there are no forks on Windows
        os.register_at_fork(after_in_child=_after_fork)


def fork_safe(read: Callable[P, T]) -> Callable[P, T]:
    """A function that also answers in a forked child whose parent had started polars' threads.

    There it runs in a new process, which takes about a second, and its result comes back pickled.

    Args:
        read: a function or class method that can be imported by its name; its arguments and its
            result can be pickled.

    Raises:
        LLMRecError: that process ended without an answer.
    """

    @functools.wraps(read)
    def anywhere(*args: P.args, **kwargs: P.kwargs) -> T:
        if _polars_lost:
            return _in_new_process(read.__module__, read.__qualname__, args, kwargs)
        return read(*args, **kwargs)

    return anywhere


def _after_fork() -> None:
    global _polars_lost
    _polars_lost = "polars" in sys.modules
    for name, setter in (("torch", "set_num_threads"), ("faiss", "omp_set_num_threads")):
        set_threads: Any = getattr(sys.modules.get(name), setter, None)
        if set_threads is not None:
            set_threads(1)


def _in_new_process(module: str, name: str, args: Any, kwargs: Any) -> Any:
    task = pickle.dumps(sys.path) + pickle.dumps((module, name, args, kwargs))
    command = [sys.executable, "-c", _NEW_PROCESS]
    done = subprocess.run(command, input=task, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise LLMRecError(
            f"{name}: this process was forked from one that uses polars, and the process that was "
            f"to read for it ended with {done.returncode}; read before the fork, or start workers "
            "with 'spawn' or 'forkserver'"
        )
    result, raised = pickle.loads(done.stdout)
    if raised is not None:
        raise raised
    return result


def _answer(tasks: Any, answers: Any) -> None:
    """Do the task that a forked process sent; its result or what it raised goes back."""
    module, name, args, kwargs = pickle.load(tasks)
    outcome: tuple[Any, Exception | None]
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        function = getattr(found, "__func__", found)  # a class method is given its class
        outcome = function(*args, **kwargs), None
    except Exception as error:
        outcome = None, error
    pickle.dump(outcome, answers)
