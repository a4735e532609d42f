"""``llmrec demo``: runs every part of the project once, in a few minutes."""

from __future__ import annotations

from pathlib import Path

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_report
from llmrec_env.cli.typed import refuse_typed
from llmrec_env.common import processes


@options.option_groups
@clear_errors()
def demo(
    context: typer.Context,
    log: options.LogOptions,
    out: options.RunFolder = Path("runs/demo"),
    simulator: options.Simulator = None,
    base_model: options.BaseModel = None,
    allow_untexted: options.Untexted = False,
    seed: options.Seed = 0,
    budget: options.Budget = 1.0,
    workers: options.Workers = None,
) -> None:
    """Run the whole project once: the LE, policies, offline learning and recommenders.

    With --data and without --simulator an LE is learned from that data. The run ends in tables and
    report.html.
    """
    processes.check_alone()
    if simulator is not None:
        why = "the LE of --simulator is learned already"
        refuse_typed(context, why, "base_model", "allow_untexted")
    from llmrec_env.experiments.demo import DemoSettings, run_demo

    settings = DemoSettings(
        log.data, simulator, base_model, seed, budget, allow_untexted=allow_untexted, **log.reading
    )
    print_report(run_demo(settings, out, workers=workers), out)
