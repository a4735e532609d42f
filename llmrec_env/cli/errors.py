"""Prints the package's errors in one line, without a traceback."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from llmrec_env.common.errors import LLMRecError


@contextmanager
def clear_errors() -> Iterator[None]:
    """Print an error of this package in one line and leave with exit code 1; decorates a command.

    A command that is interrupted leaves with exit code 130.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module="peft")
    try:
        yield
    except LLMRecError as error:
        Console(stderr=True).print(f"[red]error:[/red] {type(error).__name__}: ", end="")
        Console(stderr=True, markup=False, highlight=False).print(str(error), soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; the same command goes on from what was finished")
        raise typer.Exit(130) from None
