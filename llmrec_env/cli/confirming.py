"""``go_on``: says what long work will take, before it begins."""

from __future__ import annotations

import sys
from typing import Annotated, Protocol

import typer

from llmrec_env.cli.output import print_line
from llmrec_env.common.errors import SettingError

LONG = 10
"""Minutes that work may take without being asked for."""
Yes = Annotated[
    bool, typer.Option("--yes", help=f"Go on without asking where it takes over {LONG:g} minutes.")
]


class Estimate(Protocol):
    """What work will take; as a text it says so."""

    @property
    def seconds(self) -> float:
        """All of it."""


def go_on(estimate: Estimate, yes: bool) -> None:
    """Say what work will take, and go on if that is little or wanted.

    Args:
        estimate: of it.
        yes: whether it is wanted, however long.

    Raises:
        SettingError: it is long, and nobody is there to ask.
        typer.Abort: who was asked does not want it.
    """
    print_line(str(estimate))
    if yes or estimate.seconds <= 60 * LONG:
        return
    if not sys.stdin.isatty():
        raise SettingError(f"{estimate}: over {LONG:g} minutes; continue with --yes")
    if not typer.confirm("Go on?"):
        raise typer.Abort
