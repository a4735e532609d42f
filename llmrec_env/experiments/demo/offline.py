"""d3rlpy on the logged, the labelled and the augmented table."""

from __future__ import annotations

from typing import Any, Literal

from llmrec_env.data.source import Source
from llmrec_env.evaluation.ranking import evaluate_ranking
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.experiments.evaluators import evaluation_users, judge
from llmrec_env.offline.transitions import transitions
from llmrec_env.reporting import Estimate, Report, Table
from llmrec_env.users.language import LanguageUser

Found = dict[str, Any]
TABLES = ("logged", "LE state + reward", "+ augmentation")
ALGORITHMS = ("DiscreteBC", "DiscreteCQL")


def measure(name: str, settings: DemoSettings, source: Source, simulator: LanguageUser) -> Found:
    """Train each algorithm on one table; rank on test users and act in the environments."""
    from llmrec_env.offline.d3rlpy import D3rlpyPolicy, to_mdp_dataset, train

    asked = None if name == "logged" else simulator
    table = transitions(
        source.split.train, asked, augment=1 if name == "+ augmentation" else 0, ask_follow_up=False
    )
    dataset = to_mdp_dataset(table)
    observation: Literal["history", "state"] = "history" if asked is None else "state"
    rows = []
    for algorithm in ALGORITHMS:
        algo = make_algorithm(algorithm, observation, table.n_items)
        steps = settings.steps(settings.d3rlpy_steps, least=2)
        train(algo, dataset, n_steps=steps, seed=settings.seed)
        policy = D3rlpyPolicy(algo, observation, simulator=simulator)
        row: Found = {"table": name, "algorithm": algorithm, "transitions": len(table)}
        row |= evaluate_ranking(policy, source.split.test, ks=(10,))
        for world, users in evaluation_users(source, simulator).items():
            row[world] = judge(policy, users, settings, True).summary()
        rows.append(row)
    return {"rows": rows}


def make_algorithm(name: str, observation: str, n_items: int) -> Any:
    """A d3rlpy algorithm by name, with an encoder that fits the observation."""
    import d3rlpy

    from llmrec_env.offline.d3rlpy import HistoryEncoderFactory

    config = getattr(d3rlpy.algos, f"{name}Config")
    options: dict[str, Any] = {"batch_size": 256, "learning_rate": 1e-3}
    if observation == "history":
        options["encoder_factory"] = HistoryEncoderFactory(n_items)
    if name != "DiscreteBC":
        options["gamma"] = 0.5
    return config(**options).create()


def write(report: Report, found: Found, command: str) -> None:
    """The section on offline learning."""
    section = report.section(
        "Offline learning with d3rlpy",
        "The same algorithms on the log as it is (histories, reward 1), on the log with the LE's "
        "states and rewards, and with one LE-generated action added to every step.",
    )
    rows = []
    worlds = [name for name in ("LE", "truth") if name in found["rows"][0]]
    for row in found["rows"]:
        returns = [
            Estimate(row[w]["return"], row[w]["return_low"], row[w]["return_high"]) for w in worlds
        ]
        name = f"{row['algorithm']}, {row['table']}"
        rows.append([name, row["transitions"], row["HR@10"], row["NDCG@10"], *returns])
    section.add(
        Table(
            "d3rlpy, logged and augmented",
            ["run", "transitions", "HR@10", "NDCG@10", *(f"return, {w} users" for w in worlds)],
            rows,
            controls=[f"{algorithm}, logged" for algorithm in ALGORITHMS],
            masked=False,
            best=["HR@10", "NDCG@10"],
            note="HR and NDCG: test users, every step, seen items not masked. Returns: seen items "
            "masked. One seed.",
            command=command,
        )
    )
