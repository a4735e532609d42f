"""``llmrec bench``: compares recommenders over splits and seeds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.bench.options import LearningOptions
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_report
from llmrec_env.common import processes


@options.option_groups
@clear_errors()
def study(
    context: typer.Context,
    log: options.LogOptions,
    out: options.RunFolder = Path("runs/bench"),
    backbones: Annotated[
        str,
        typer.Option(help="Encoders of histories, with commas: sasrec, gru4rec, caser, nextitnet."),
    ] = "sasrec,gru4rec",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Methods, with commas: plain, SNQN, LEASR, soft targets, co-occurrence targets "
            "and others; a wrong name lists them all."
        ),
    ] = None,
    seeds: Annotated[int, options.number("Training seeds.", least=1, most=options.RUNS)] = 5,
    splits: Annotated[int, options.number("Splits by user.", least=1, most=options.RUNS)] = 3,
    trials: Annotated[
        int,
        options.number(
            "Settings tried for each method on each backbone; 0 keeps the defaults.",
            least=0,
            most=options.RUNS,
        ),
    ] = 10,
    tune: Annotated[
        str,
        typer.Option(
            help="What is tuned: `each` method, or the `host`, where the settings that suit plain "
            "hold for every method."
        ),
    ] = "each",
    device: Annotated[
        str, typer.Option(help="Torch device, such as cuda, which all workers share.")
    ] = "cpu",
    workers: options.Workers = None,
    *,
    learning: LearningOptions,
) -> None:
    """Compare methods on backbones over splits and seeds, tuned on validation users.

    The study ends in tables, report.html, results.md and runs.csv, with one row a run.
    """
    if context.invoked_subcommand is not None:
        return
    processes.check_alone()
    from llmrec_env.experiments.study import StudySettings, run_study
    from llmrec_env.experiments.study.settings import USUAL_METHODS

    settings = StudySettings(
        data=log.data,
        backbones=options.listed(backbones.lower()),
        methods=USUAL_METHODS if methods is None else options.listed(methods),
        seeds=seeds,
        splits=splits,
        trials=trials,
        tune=tune,  # type: ignore[arg-type]  # checked there
        device=device,
        **asdict(learning),
        **log.reading,
    )
    print_report(run_study(settings, out, workers=workers), out)
