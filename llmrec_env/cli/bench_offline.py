"""``llmrec bench offline``: d3rlpy's algorithms on the log, and on what the LE makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.common import processes


def offline(
    data: options.Data = None,
    simulator: Annotated[
        str | None,
        typer.Option(
            help="Folder of an LE that `llmrec fit` learned with the same --data and --seed; the "
            "embedded one of the generated world where absent."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Run folder; a killed benchmark is continued.")] = Path(
        "runs/bench-offline"
    ),
    algorithms: Annotated[
        str, typer.Option(help="Who learns, joined by commas.")
    ] = "bc,dqn,double_dqn,cql,bcq",
    datasets: Annotated[
        str, typer.Option(help="From what, joined by commas.")
    ] = "logged,reward,state,augment1,augment4,random,knn",
    seeds: Annotated[
        int, typer.Option(help="Runs of each algorithm on each dataset, a training seed each.")
    ] = 3,
    steps: Annotated[int, typer.Option(help="Gradient steps of a run.")] = 1000,
    episodes: Annotated[
        int, typer.Option(help="Test users in whose episodes a policy is judged, at most.")
    ] = 200,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Runs that go on at once, one thread each; one a core if not given."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the split, and the first of the training seeds.")
    ] = 0,
) -> None:
    """d3rlpy on the log, on LE labels and on augmented data: ranking, simulated and true returns.

    Ends in a table, report.html, results.md, results.json, runs.csv and runs.parquet.
    """
    with clear_errors():
        from llmrec_env.experiments.offline_benchmark import OfflineSettings, run_offline

        processes.check_alone()
        settings = OfflineSettings(
            data=data,
            simulator=simulator,
            algorithms=options.listed(algorithms),
            datasets=options.listed(datasets),
            seeds=seeds,
            steps=steps,
            episodes=episodes,
            seed=seed,
        )
        report = run_offline(settings, out, workers)
        report.print(Console())
        page = out / "report.html"
        told = page if page.exists() else out / "results.md"
        Console().print(f"\nReport: {told}", soft_wrap=True)
