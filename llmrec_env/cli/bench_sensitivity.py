"""``llmrec bench sensitivity``: how a result depends on its settings, as pictures with numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.common import processes


def sensitivity(
    data: options.Data = None,
    out: Annotated[Path, typer.Option(help="Where all of it goes; a killed run goes on.")] = Path(
        "runs/sensitivity"
    ),
    backbone: Annotated[str, typer.Option(help="Sequence encoder.")] = "sasrec",
    parts: Annotated[
        str, typer.Option(help="What is asked, joined by commas.")
    ] = "weight,k,share,balance,cold,map",
    values: Annotated[
        list[str] | None,
        typer.Option(help="Other values for a curve, such as weight=0.1,0.5,2; once a part."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds of every point.")] = 3,
    split: Annotated[int, typer.Option(min=0, help="Seed of the split by user.")] = 0,
    epochs: options.Epochs = 20,
    patience: options.Patience = 3,
    base_model: options.BaseModel = None,
    item_encoder: options.ItemEncoder = None,
    le_epochs: options.LEEpochs = 6,
    projection: Annotated[
        str,
        typer.Option(help="Of the map: pca, tsne (scikit-learn), or auto: tsne if it is there."),
    ] = "auto",
    budget: options.Effort = 1.0,
    workers: options.Workers = None,
) -> None:
    """Move one setting at a time; rank cold and warm items apart; map the users' states.

    weight, k, share: of the augmentation; balance: of the supervised and the RL loss. Ends in
    figures, report.html, results.md and one row a point in points.csv.
    """
    with clear_errors():
        processes.check_alone()
        from llmrec_env.experiments.sensitivity import SensitivitySettings, run_sensitivity
        from llmrec_env.experiments.sensitivity.settings import parse_values

        settings = SensitivitySettings(
            data=data,
            backbone=backbone.lower(),
            parts=tuple(dict.fromkeys(options.listed(parts))),
            values=parse_values(values or []),
            seeds=seeds,
            split=split,
            epochs=epochs,
            patience=patience,
            base_model=base_model,
            item_encoder=item_encoder,
            le_epochs=le_epochs,
            projection=projection,  # type: ignore[arg-type]  # checked there
            budget=budget,
        )
        report = run_sensitivity(settings, out, workers=workers)
        console = Console()
        report.print(console)
        page = out / "report.html"
        console.print(f"\nReport: {page if page.exists() else out / 'results.md'}", soft_wrap=True)
