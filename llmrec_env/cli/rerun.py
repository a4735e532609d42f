"""``llmrec rerun``: a demo once more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_report
from llmrec_env.common import processes
from llmrec_env.common.errors import LLMRecError


@clear_errors()
def rerun(
    folder: Annotated[Path, typer.Argument(help="Folder of a demo run.")],
    out: Annotated[Path, typer.Option(help="Folder of the new run.")],
    workers: options.Workers = None,
) -> None:
    """Repeat a demo run with the settings that its folder keeps."""
    processes.check_alone()
    from llmrec_env.common.files import read_json
    from llmrec_env.experiments.demo import DemoSettings, run_demo

    path = folder / "settings.json"
    if not path.exists():
        raise LLMRecError(f"{folder} holds no run: there is no settings.json in it")
    settings = DemoSettings.from_json(read_json(path))
    print_report(run_demo(settings, out, workers=workers), out)
