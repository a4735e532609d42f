"""Prints errors, and what the file system refuses, in one line, without a traceback."""

from __future__ import annotations

import re
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer
from rich.console import Console

from llmrec_env.common import processes
from llmrec_env.common.errors import FileError, LLMRecError
from llmrec_env.common.file_errors import named_file, refusal

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes of commands that were stopped by Ctrl-C and by SIGTERM, as shells know them."""
GOES_ON = "; the same command goes on from what was finished"


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


@contextmanager
def clear_errors(goes_on: bool = True) -> Iterator[None]:
    """Print an error of this package in one line and leave with exit code 1; decorates a command.

    What the file system refuses is such an error too. A command that is interrupted leaves with
    exit code 130, one that is terminated with 143.

    Args:
        goes_on: whether the command, repeated, goes on where it was stopped.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")
    try:
        with _terminable():
            yield
    except LLMRecError as error:
        _print_error(error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt as stop:
        if processes.is_main():
            Console(stderr=True).print("stopped" + (GOES_ON if goes_on else ""), soft_wrap=True)
        raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED) from None
    except BrokenPipeError:  # whoever read the output has read enough
        raise
    except Exception as error:
        reason = refusal(error)
        if reason is None:
            raise
        _print_error(FileError(": ".join(filter(None, [named_file(error), reason]))))
        raise typer.Exit(1) from None


def _print_error(error: LLMRecError) -> None:
    console = Console(stderr=True, emoji=False, highlight=False)
    console.print(f"[red]error:[/red] {type(error).__name__}: ", end="")
    console.print(re.sub(r"\s*\n\s*", " ", str(error)), markup=False, soft_wrap=True)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
