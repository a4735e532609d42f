"""The demo's offline RL stage: d3rlpy on the logged, the labelled and the augmented table."""

from __future__ import annotations

from typing import Any, Literal

from llmrec_env.data.source import Source
from llmrec_env.evaluation.ranking import both_step_ranks, ranking_intervals
from llmrec_env.experiments.demo.returns import evaluate, return_estimate
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.experiments.evaluators import evaluation_users
from llmrec_env.offline.transitions import transitions
from llmrec_env.reporting import Estimate, Report, Table
from llmrec_env.users.language import LanguageUser

Found = dict[str, Any]
TABLES = ("logged", "LE state + reward", "+ augmentation")
LEARNERS = ("bc", "cql")
RANKED = ("HR@10", "NDCG@10")
MASKED = tuple(f"{name}, masked" for name in RANKED)
HIDDEN = (256, 256)
"""Widths of the layers that read the LE's states."""


def measure(name: str, settings: DemoSettings, source: Source, simulator: LanguageUser) -> Found:
    """Train each algorithm on one table; rank on test users and act in the environments."""
    from llmrec_env.offline.d3rlpy import ALGORITHMS, D3rlpyPolicy, to_mdp_dataset, train

    labeller = None if name == "logged" else simulator
    table = transitions(
        source.split.train,
        labeller,
        augment=1 if name == "+ augmentation" else 0,
        ask_follow_up=False,
    )
    dataset = to_mdp_dataset(table)
    observation: Literal["history", "state"] = "history" if labeller is None else "state"
    rows = []
    for learner in LEARNERS:
        algorithm = ALGORITHMS[learner]
        algo = algorithm.create(table.kind, table.n_items, HIDDEN)
        steps = settings.steps(settings.d3rlpy_steps, least=2)
        train(algo, dataset, n_steps=steps, seed=settings.seed)
        policy = D3rlpyPolicy(algo, observation, simulator=simulator)
        row: Found = {"table": name, "algorithm": algorithm.library_name, "transitions": len(table)}
        test = source.split.test
        for masked, ranks in both_step_ranks(policy, test).items():
            found = ranking_intervals(test, ranks)
            row |= {f"{name}{', masked' if masked else ''}": list(found[name]) for name in RANKED}
            row["steps"] = len(ranks)
        for world, users in evaluation_users(source, simulator).items():
            row[world] = evaluate(policy, users, settings, masked=True).summary()
        rows.append(row)
    return {"rows": rows}


def write(report: Report, found: Found) -> None:
    """The section on offline learning."""
    section = report.section(
        "Offline learning with d3rlpy",
        "The same algorithms on the log as it is (histories, reward 1), on the log with the LE's "
        "states and rewards, and with one LE-generated action added to every step.",
    )
    rows = []
    worlds = [name for name in ("LE", "truth") if name in found["rows"][0]]
    for row in found["rows"]:
        returns = [return_estimate(row[world]) for world in worlds]
        name = f"{row['algorithm']}, {row['table']}"
        metrics = [Estimate(*row[column]) for column in (*RANKED, *MASKED)]
        rows.append([name, row["transitions"], *metrics, *returns])
    section.add(
        Table(
            "d3rlpy, logged and augmented",
            ["run", "transitions", *RANKED, *MASKED, *(f"return, {w} users" for w in worlds)],
            rows,
            controls=[row[0] for row in rows if row[0].endswith(", logged")],
            best=[*RANKED, *MASKED],
            note=f"HR and NDCG: {found['rows'][0]['steps']:,} steps of test users, seen items "
            "masked where the column says so. Returns: seen items masked. One seed.",
            command=report.command,
        )
    )
