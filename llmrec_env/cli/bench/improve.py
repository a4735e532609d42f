"""``llmrec bench improve``: what RL adds to the recommender that it began with."""

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
def improve(
    log: options.LogOptions,
    simulator: Annotated[
        str | None,
        typer.Option(
            help="Folder of an LE that `llmrec fit` or `llmrec ensemble` learned with the same "
            "--data and --seed. If not given, the one of the generated world. Where it has no "
            "members it is given some."
        ),
    ] = None,
    out: options.RunFolder = Path("runs/improve"),
    backbone: Annotated[
        str, typer.Option(help="Encoder of the recommender: sasrec, gru4rec, caser or nextitnet.")
    ] = "gru4rec",
    arms: Annotated[
        str,
        typer.Option(
            help="What becomes of the recommender, with commas: improved among simulated users "
            "(alone, in the LE without members; plain, in the members' mean; pessimism, in that "
            "less their standard deviations; next, the same for the next liking alone), among "
            "true users (truth), or mixed with the LE without RL (mixture). More may be asked of "
            "the same folder later."
        ),
    ] = "mixture,plain,next,pessimism",
    rl_steps: Annotated[
        int, options.number("Steps of improvement.", least=1, most=options.RUNS)
    ] = 1,
    weight: Annotated[
        float, options.number("How far the steps may go from the recommender.", above=0)
    ] = 5.0,
    episodes: Annotated[int, options.number("Test users that judge, at most.", least=1)] = 200,
    lucks: Annotated[
        int, options.number("Episodes of each of them.", least=1, most=options.RUNS)
    ] = 2,
    seeds: Annotated[
        int, options.number("Recommenders, each improved by all arms.", least=1, most=options.RUNS)
    ] = 1,
    members: Annotated[
        int, options.number("Members that an LE without any is given.", least=2, most=100)
    ] = 5,
    pessimism: Annotated[
        float, options.number("Standard deviations that pessimism takes.", above=0)
    ] = 1.0,
    seed: options.Seed = 0,
    budget: options.Budget = 1.0,
    workers: options.Workers = None,
) -> None:
    """Improve a recommender among simulated users, and say what each step of RL adds.

    The run ends in report.html, results.md and steps.csv: what the recommender and each step earn
    from the same simulated and true users with the same luck.
    """
    processes.check_alone()
    from llmrec_env.experiments.improvement import ImprovementSettings, run_improvement

    settings = ImprovementSettings(
        data=log.data,
        simulator=simulator,
        backbone=backbone.lower(),
        arms=options.listed(arms),
        rl_steps=rl_steps,
        weight=weight,
        episodes=episodes,
        lucks=lucks,
        seeds=seeds,
        members=members,
        pessimism=pessimism,
        seed=seed,
        budget=budget,
        **log.reading,
    )
    print_report(run_improvement(settings, out, workers), out)
