"""How the command line tells of errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from llmrec_env.common.errors import LLMRecError


@contextmanager
def clear_errors() -> Iterator[None]:
    """An error raised on purpose is one line and exit code 1, not a traceback."""
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
