"""``llmrec rerun``: repeats a demo or a study with its saved settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_report
from llmrec_env.common import processes


@clear_errors()
def rerun(
    folder: Annotated[Path, typer.Argument(help="Folder that `demo` or `bench` made.")],
    out: Annotated[Path, typer.Option(help="Folder of the new run.")],
    workers: options.Workers = None,
) -> None:
    """Repeat a demo or a study with the settings that its folder keeps."""
    processes.check_alone()
    from llmrec_env.experiments import rerun as runs

    print_report(runs.rerun(folder, out, workers), out)
