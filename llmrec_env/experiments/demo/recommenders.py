"""The demo's recommender stage: plain, SNQN and LEASR backbones beside simple baselines."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from llmrec_env.data.source import Source
from llmrec_env.evaluation.ranking import ItemKNN, Popularity, SimulatorRanker, evaluate_ranking
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.reporting import Curve, Curves, Element, Finding, Report, Table
from llmrec_env.users.language import LanguageUser

Found = dict[str, Any]
METHODS = ("plain", "SNQN", "LEASR")


def measure_baselines(settings: DemoSettings, source: Source, simulator: LanguageUser) -> Found:
    """The rankers that no gradient makes."""
    train = source.split.train
    rankers = {
        "popularity": Popularity(train),
        "item kNN": ItemKNN(train),
        "LE alone": SimulatorRanker(simulator),
    }
    rows = [
        {"name": name, "seconds": None, **_metrics(ranker, source)}
        for name, ranker in rankers.items()
    ]
    return {"rows": rows, "curves": {}}


def measure(
    name: str, folder: Path, settings: DemoSettings, source: Source, simulator: LanguageUser | None
) -> Found:
    """Fit one recommender, "sasrec SNQN" or so; validation chooses the pass, test is read once."""
    split = source.split
    recommender = make_recommender(name, settings)
    began = time.process_time()  # stages share the cores, so a clock would tell of the others
    recommender.fit(split.train, simulator, split.validation)
    seconds = time.process_time() - began
    recommender.save(folder / name.replace(" ", "_"))
    curve = [{"step": row["step"], "NDCG@10": row["NDCG@10"]} for row in recommender.history]
    row = {"name": name, "seconds": seconds, **_metrics(recommender, source)}
    return {"rows": [row], "curves": {name: curve}}


def make_recommender(name: str, settings: DemoSettings) -> Any:
    """A recommender of the table by the name of its row."""
    backbone, method = name.split()
    from agents import LEA, SNQN, Supervised

    passes = {"epochs": settings.steps(settings.epochs), "seed": settings.seed}
    if method == "plain":
        return Supervised(backbone, **passes)
    makers: dict[str, Any] = {"SNQN": SNQN, "LEASR": LEA}
    # One copy learns: as many steps as plain's, at half the twins' cost.
    return makers[method](backbone, target="periodic", **passes)


def _metrics(ranker: Any, source: Source) -> Found:
    test = evaluate_ranking(ranker, source.split.test)
    validation = evaluate_ranking(ranker, source.split.validation, ks=(10,))
    return {"test": test, "validation": validation}


def findings(found: Found) -> list[Element]:
    """The claims that this stage can settle, on one seed."""
    scores = {row["name"]: row["test"]["NDCG@10"] for row in found["rows"]}
    claims: list[Element] = []
    for backbone in dict.fromkeys(name.split()[0] for name in found["curves"]):
        ours = scores[f"{backbone} LEASR"]
        others = {kind: scores[f"{backbone} {kind}"] for kind in ("plain", "SNQN")}
        evidence = ", ".join(f"{kind} {value:.4f}" for kind, value in others.items())
        claims.append(
            Finding(
                f"LEASR ranks held-out steps better than plain and SNQN on {backbone}",
                ours > max(others.values()),
                f"test NDCG@10 {ours:.4f}; {evidence}; one seed: small differences prove nothing",
            )
        )
    return claims


def write(report: Report, found: Found) -> None:
    """The section on recommenders."""
    section = report.section(
        "Recommenders",
        "LEASR learns with the LE's augmentation, state and reward; serving needs no language "
        "model. Every method has the same budget and settings.",
    )
    columns = [f"{metric}@{k}" for k in (5, 10, 20) for metric in ("HR", "NDCG")]
    rows = [
        [
            row["name"],
            *(row["test"][column] for column in columns),
            row["validation"]["NDCG@10"],
            row["seconds"] if row["seconds"] is not None else "",
        ]
        for row in found["rows"]
    ]
    section.add(
        Table(
            "Next-item ranking",
            ["recommender", *columns, "NDCG@10, validation", "seconds"],
            rows,
            controls=["popularity", "item kNN"],
            masked=False,
            best=[*columns, "NDCG@10, validation"],
            note="Full catalogue, every step of the test users, one seed; SNQN and LEASR with a "
            "periodically copied target; CPU seconds to label and fit.",
            command=report.command,
            digits=4,
        ),
        Curves(
            "Learning curves",
            "NDCG@10 on validation users.",
            [
                Curve(name, [p["step"] for p in curve], [p["NDCG@10"] for p in curve])
                for name, curve in found["curves"].items()
            ],
            "optimiser step",
            "NDCG@10",
        ),
    )
