"""``llmrec bench``: whole studies, one command each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from llmrec_env.cli import options
from llmrec_env.cli.bench_offline import offline
from llmrec_env.cli.bench_sensitivity import sensitivity
from llmrec_env.cli.errors import clear_errors
from llmrec_env.common import processes

app = typer.Typer(help="Studies of recommenders over splits and seeds.")
app.command("offline")(offline)
app.command("sensitivity")(sensitivity)


@app.callback(invoke_without_command=True)
def study(
    context: typer.Context,
    data: options.Data = None,
    out: Annotated[Path, typer.Option(help="The study's folder; a killed one goes on.")] = Path(
        "runs/bench"
    ),
    backbones: Annotated[
        str, typer.Option(help="Sequence encoders, joined by commas.")
    ] = "sasrec,gru4rec",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Methods, joined by commas: plain, SNQN, LEASR, soft targets, co-occurrence "
            "targets and others; a wrong name lists them all."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds.")] = 5,
    splits: Annotated[int, typer.Option(min=1, help="Splits by user.")] = 3,
    trials: Annotated[
        int, typer.Option(min=0, help="Settings tried for every method and backbone; 0: defaults.")
    ] = 10,
    tune: Annotated[
        str, typer.Option(help="'each' method, or the 'host': what suits plain then holds for all.")
    ] = "each",
    epochs: options.Epochs = 20,
    patience: options.Patience = 3,
    base_model: options.BaseModel = None,
    item_encoder: options.ItemEncoder = None,
    le_epochs: options.LEEpochs = 6,
    budget: options.Effort = 1.0,
    device: Annotated[
        str, typer.Option(help="Torch device, such as cuda; all workers share it.")
    ] = "cpu",
    workers: options.Workers = None,
) -> None:
    """Compare methods on backbones over splits and seeds, tuned on validation users.

    Ends in tables, report.html, results.md and one row a run in runs.csv.
    """
    if context.invoked_subcommand is not None:
        return
    with clear_errors():
        processes.check_alone()
        from llmrec_env.experiments.study import StudySettings, run_study
        from llmrec_env.experiments.study.settings import USUAL_METHODS

        settings = StudySettings(
            data=data,
            backbones=options.listed(backbones.lower()),
            methods=USUAL_METHODS if methods is None else options.listed(methods),
            seeds=seeds,
            splits=splits,
            trials=trials,
            tune=tune,  # type: ignore[arg-type]  # checked there
            epochs=epochs,
            patience=patience,
            base_model=base_model,
            item_encoder=item_encoder,
            le_epochs=le_epochs,
            budget=budget,
            device=device,
        )
        report = run_study(settings, out, workers=workers)
        console = Console()
        report.print(console)
        page = out / "report.html"
        console.print(f"\nReport: {page if page.exists() else out / 'results.json'}")
