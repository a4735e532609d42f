"""``llmrec bench policies``: holds the simulator's order of policies against the true one."""

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
def policies(
    log: options.LogOptions,
    simulator: Annotated[
        str | None,
        typer.Option(
            help="Folder of an LE that `llmrec fit` learned with the same --data and --seed. If "
            "not given, the one of the generated world."
        ),
    ] = None,
    out: options.RunFolder = Path("runs/policies"),
    policies: Annotated[
        str | None,
        typer.Option(
            help="Policies of the panel, with commas; a wrong name lists them all. More may be "
            "asked of the same folder later. If not given, all."
        ),
    ] = None,
    judges: Annotated[
        str | None,
        typer.Option(
            help="Who orders the policies, with commas; a wrong name lists them all. More may be "
            "asked of the same folder later. If not given, le, factors, later, without-le, kinds."
        ),
    ] = None,
    cross_fit: Annotated[
        bool,
        typer.Option(
            "--cross-fit",
            help="Fit an LE to one half of the training users, from whom the policies learn too, "
            "and judges to the other half.",
        ),
    ] = False,
    episodes: Annotated[
        int,
        options.number("Test users, with one episode each, that judge a policy at most.", least=1),
    ] = 200,
    logged: Annotated[
        int,
        options.number(
            "Episodes of an exploring policy among true users, from which off-policy estimates of "
            "every policy are made, and their order compared with the true one; 0 makes none.",
            least=0,
        ),
    ] = 0,
    seed: options.Seed = 0,
    budget: options.Budget = 1.0,
    workers: options.Workers = None,
) -> None:
    """Train a panel of policies and compare what they earn from simulated and from true users.

    The panel ends in Kendall's tau, the regret of choosing by the simulator, and the pairs that it
    puts in the wrong order: report.html, results.md, policies.csv and policies.parquet.
    """
    processes.check_alone()
    from llmrec_env.experiments.policy_ranking import PolicyRankingSettings, run_policy_ranking
    from llmrec_env.experiments.policy_ranking.members import MEMBERS
    from llmrec_env.experiments.policy_ranking.settings import USUAL_JUDGES

    settings = PolicyRankingSettings(
        data=log.data,
        simulator=simulator,
        policies=tuple(MEMBERS) if policies is None else options.listed(policies),
        judges=USUAL_JUDGES if judges is None else options.listed(judges),
        cross_fit=cross_fit,
        episodes=episodes,
        logged=logged,
        seed=seed,
        budget=budget,
        **log.reading,
    )
    print_report(run_policy_ranking(settings, out, workers), out)
