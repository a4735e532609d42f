"""The demo's recommender stage: plain, SNQN and LEASR backbones beside simple baselines."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.data.repeats import masks_seen
from llmrec_env.data.source import Source
from llmrec_env.evaluation.intervals import Interval, of_sums
from llmrec_env.evaluation.ranking import (
    ItemKNN,
    Popularity,
    SimulatorRanker,
    both_step_ranks,
    evaluate_ranking,
    ranking_intervals,
    ranking_metrics,
    user_metrics,
)
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.experiments.verdicts import verdict
from llmrec_env.reporting import Curve, Curves, Element, Estimate, Report, Table
from llmrec_env.reporting.terminal import masked_text
from llmrec_env.users.language import LanguageUser

Found = dict[str, Any]
METHODS = ("plain", "SNQN", "LEASR")
MIXED = "plain and LE in service"
"""A plain recommender that ranks together with the LE, at a weight that validation chose."""
WAYS = {"unmasked": False, "masked": True}
"""How next items are ranked, and whether seen items are then masked."""


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
    vectors = None
    if simulator is not None and recommender.config.reads_vectors:
        vectors = simulator.item_vectors
    recommender.fit(split.train, simulator, split.validation, item_vectors=vectors)
    seconds = time.process_time() - began
    recommender.save(saved_place(folder, name))
    curve = [{"step": row["step"], "NDCG@10": row["NDCG@10"]} for row in recommender.history]
    row = {"name": name, "seconds": seconds, **_metrics(recommender, source)}
    return {"rows": [row], "curves": {name: curve}}


def measure_mixed(
    folder: Path, settings: DemoSettings, source: Source, simulator: LanguageUser
) -> Found:
    """Each plain recommender that was saved there, ranking together with the LE."""
    from agents import Recommender
    from agents.fusion import fuse_on_validation

    masked, rows = masks_seen(source.split.train), []
    for backbone in settings.backbones:
        began = time.process_time()
        plain = Recommender.load(saved_place(folder, f"{backbone} plain"))
        user = SimulatorRanker(simulator)
        fused, _ = fuse_on_validation(plain, user, source.split.validation, masked)
        seconds = time.process_time() - began
        rows.append({"name": f"{backbone} {MIXED}", "seconds": seconds, **_metrics(fused, source)})
    return {"rows": rows, "curves": {}}


def make_recommender(name: str, settings: DemoSettings) -> Any:
    """A recommender of the table by the name of its row."""
    backbone, method = name.split()
    from agents import LEA, SNQN, Supervised

    passes: dict[str, Any] = {"epochs": settings.steps(settings.epochs), "seed": settings.seed}
    if method == "plain":
        return Supervised(backbone, **passes)
    # One copy learns: as many steps as plain's, at half the twins' cost.
    if method == "SNQN":
        return SNQN(backbone, target="periodic", **passes)
    return LEA(backbone, target="periodic", item_init="text", **passes)  # the LE's item vectors


def saved_place(folder: Path, name: str) -> Path:
    return folder / name.replace(" ", "_")


def _metrics(ranker: Any, source: Source) -> Found:
    """Test metrics with seen items masked and not, with intervals, and each user's own sums."""
    split, masked = source.split, masks_seen(source.split.train)
    ranks = both_step_ranks(ranker, split.test)
    users = user_metrics(split.test, ranks[masked])
    validation = evaluate_ranking(ranker, split.validation, (10,), masked)
    return {
        "test": {name: _with_intervals(ranks[own], source) for name, own in WAYS.items()},
        "validation": validation,
        "steps": users["steps"].to_list(),
        "gains": (users["NDCG@10"] * users["steps"]).to_list(),
    }


def _with_intervals(ranks: Float64Array, source: Source) -> Found:
    bounds = ranking_intervals(source.split.test, ranks)
    found = {name: list(own) for name, own in bounds.items()}
    return {**ranking_metrics(ranks, (5, 10, 20)), "intervals": found}


def findings(found: Found, budget: float) -> list[Element]:
    """The claims that this stage can settle, on one seed."""
    rows = {row["name"]: row for row in found["rows"]}
    backbones = list(dict.fromkeys(name.split()[0] for name in found["curves"]))
    claims = [
        (f"Beside the LE in service, {own} ranks held-out steps better than alone", own, MIXED)
        for own in backbones
    ]
    claims += [
        (f"LEASR ranks held-out steps better than plain and SNQN on {own}", own, "LEASR")
        for own in backbones
    ]
    others = {MIXED: ("plain",), "LEASR": ("plain", "SNQN")}
    return [
        _claim(
            claim,
            rows[f"{own} {method}"],
            {kind: rows[f"{own} {kind}"] for kind in others[method]},
            budget,
        )
        for claim, own, method in claims
    ]


def _claim(claim: str, ours: Found, others: dict[str, Found], budget: float) -> Element:
    """What this run says of a method that is claimed to rank better than others."""
    differences = {kind: _difference(ours, other) for kind, other in others.items()}
    told = ", ".join(f"{kind} {_mean(row):.4f}" for kind, row in others.items())
    bounds = ", ".join(
        f"{low:+.4f} to {high:+.4f} above {kind}" for kind, (_, low, high) in differences.items()
    )
    return verdict(
        claim,
        f"test NDCG@10 {_mean(ours):.4f}; {told}; 95% intervals over users {bounds}; one "
        "training seed, of which they say nothing",
        list(differences.values()),
        len(ours["steps"]),
        budget,
    )


def _mean(row: Found) -> float:
    """NDCG@10 over the steps of the test users, as validation chose."""
    return float(sum(row["gains"]) / sum(row["steps"]))


def _difference(ours: Found, other: Found) -> Interval:
    apart = np.array(ours["gains"]) - np.array(other["gains"])
    return of_sums(apart, np.array(ours["steps"]))


def write(report: Report, found: Found) -> None:
    """The section on recommenders."""
    section = report.section(
        "Recommenders",
        "LEASR learns with the LE's augmentation, state and reward, and its items begin where "
        "they lie for the LE; serving needs no language "
        "model. Every method has the same budget and settings. In service, plain and LE add their "
        "log-probabilities, the LE's at the weight that is best on validation users.",
    )
    chosen = bool(found["rows"][0]["validation"]["mask_seen"])
    for title, way in (("Next-item ranking", "unmasked"), ("Next-item ranking, masked", "masked")):
        section.add(_table(found, title, way, chosen == WAYS[way], report.command))
    section.add(
        Curves(
            "Learning curves",
            f"NDCG@10 on validation users. {masked_text(chosen)}",
            [
                Curve(name, [p["step"] for p in curve], [p["NDCG@10"] for p in curve])
                for name, curve in found["curves"].items()
            ],
            "optimiser step",
            "NDCG@10",
        )
    )


def _table(found: Found, title: str, way: str, is_chosen: bool, command: str) -> Table:
    """All rankers with seen items masked, or not."""
    columns = [f"{metric}@{k}" for k in (5, 10, 20) for metric in ("HR", "NDCG")]

    def cell(test: Found, column: str) -> Any:
        known = test["intervals"].get(column)
        return test[column] if known is None else Estimate(*known)

    rows = [
        [
            row["name"],
            *(cell(row["test"][way], column) for column in columns),
            *([row["validation"]["NDCG@10"]] if is_chosen else []),
            row["seconds"] if row["seconds"] is not None else "",
        ]
        for row in found["rows"]
    ]
    validation = ["NDCG@10, validation"] if is_chosen else []
    first = found["rows"][0]
    chosen = "like this" if is_chosen else "the other way"
    return Table(
        title,
        ["recommender", *columns, *validation, "seconds"],
        rows,
        controls=["popularity", "item kNN"],
        masked=WAYS[way],
        best=[*columns, *validation],
        note=f"Full catalogue, {sum(first['steps']):,} steps of {len(first['steps']):,} test "
        "users, 95% intervals over users, one training seed. Validation, which chose the pass, "
        f"ranked {chosen}. SNQN and LEASR with a periodically copied target; CPU seconds to label "
        "and fit, and to choose the weight.",
        command=command,
        digits=4,
    )
