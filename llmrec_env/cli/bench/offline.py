"""``llmrec bench offline``: compares offline RL algorithms over datasets and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmrec_env.cli import options
from llmrec_env.cli.errors import clear_errors
from llmrec_env.cli.output import print_report
from llmrec_env.common import processes


@options.option_groups
@clear_errors()
def offline(
    log: options.LogOptions,
    simulator: Annotated[
        str | None,
        typer.Option(
            help="Folder of an LE that `llmrec fit` learned with the same --data and --seed. If "
            "not given, the one of the generated world."
        ),
    ] = None,
    out: options.RunFolder = Path("runs/bench-offline"),
    algorithms: Annotated[
        str,
        typer.Option(
            help="Algorithms of d3rlpy, with commas: those of items (bc, dqn, double_dqn, cql, "
            "bcq, nfq, sac) and those of points in item space (point_bc, td3_bc, iql, point_cql, "
            "awac)."
        ),
    ] = "bc,dqn,double_dqn,cql,bcq",
    datasets: Annotated[
        str, typer.Option(help="Datasets that they learn from, with commas.")
    ] = "logged,reward,state,augment1,augment4,random,knn",
    seeds: Annotated[
        int,
        options.number(
            "Training seeds of each algorithm on each dataset.", least=1, most=options.RUNS
        ),
    ] = 3,
    steps: Annotated[int, options.number("Gradient steps of a run.", least=1)] = 1000,
    episodes: Annotated[
        int,
        options.number("Test users, with one episode each, that judge a policy at most.", least=1),
    ] = 200,
    workers: options.Workers = None,
    seed: Annotated[
        int, options.number("Seed of the split, and the first of the training seeds.", least=0)
    ] = 0,
) -> None:
    """Compare d3rlpy's algorithms on the log, on the LE's labels and on augmented data.

    The benchmark ends in ranking metrics, simulated and true returns: a table, report.html,
    results.md, results.json, runs.csv and runs.parquet.
    """
    from llmrec_env.experiments.offline_benchmark import OfflineSettings, run_offline

    processes.check_alone()
    settings = OfflineSettings(
        data=log.data,
        simulator=simulator,
        algorithms=options.listed(algorithms),
        datasets=options.listed(datasets),
        seeds=seeds,
        steps=steps,
        episodes=episodes,
        seed=seed,
        **log.reading,
    )
    print_report(run_offline(settings, out, workers), out)
