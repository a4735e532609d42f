"""``llmrec bench sensitivity``: studies how recommenders depend on single settings."""

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
def sensitivity(
    log: options.LogOptions,
    out: options.RunFolder = Path("runs/sensitivity"),
    backbone: Annotated[
        str, typer.Option(help="Encoder of histories: sasrec, gru4rec, caser or nextitnet.")
    ] = "sasrec",
    parts: Annotated[
        str, typer.Option(help="Parts of the study, with commas.")
    ] = "weight,k,share,balance,cold,map",
    values: Annotated[
        list[str] | None,
        typer.Option(help="Other values for a curve, such as weight=0.1,0.5,2; once for a part."),
    ] = None,
    seeds: Annotated[
        int, options.number("Training seeds of every point.", least=1, most=options.RUNS)
    ] = 3,
    split: Annotated[int, options.number("Seed of the split by user.", least=0)] = 0,
    projection: Annotated[
        str,
        typer.Option(
            help="Projection of the map: pca, tsne (needs scikit-learn), or auto, which is tsne "
            "where it is installed."
        ),
    ] = "auto",
    workers: options.Workers = None,
    *,
    learning: LearningOptions,
) -> None:
    """Move one setting at a time, rank cold and warm items apart, and map the users' states.

    The parts weight, k and share are settings of the augmentation; balance weighs the RL loss
    against the supervised one. The study ends in figures, report.html, results.md and points.csv,
    with one row a point.
    """
    processes.check_alone()
    from llmrec_env.experiments.sensitivity import SensitivitySettings, run_sensitivity
    from llmrec_env.experiments.sensitivity.settings import parse_values

    settings = SensitivitySettings(
        data=log.data,
        backbone=backbone.lower(),
        parts=tuple(dict.fromkeys(options.listed(parts))),
        values=parse_values(values or []),
        seeds=seeds,
        split=split,
        projection=projection,  # type: ignore[arg-type]  # checked there
        **asdict(learning),
        **log.reading,
    )
    print_report(run_sensitivity(settings, out, workers=workers), out)
