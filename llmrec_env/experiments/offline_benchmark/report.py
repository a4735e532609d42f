"""Builds the report of an offline benchmark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.data.source import Source
from llmrec_env.evaluation.intervals import interval
from llmrec_env.experiments.offline_benchmark.baselines import BASELINES
from llmrec_env.experiments.offline_benchmark.datasets import DATASETS, LOGGED
from llmrec_env.experiments.offline_benchmark.evaluator import (
    MASKED,
    RANKED,
    SHOWN,
    Row,
    return_column,
)
from llmrec_env.experiments.offline_benchmark.settings import OfflineSettings, Run
from llmrec_env.experiments.tables import add_log, begin_report
from llmrec_env.offline.d3rlpy.algorithms import ALGORITHMS, HIDDEN
from llmrec_env.reporting import Bars, Element, Estimate, Facts, Finding, Report, Table

Group = tuple[str, str | None]
"""An algorithm and a dataset: the runs that differ by the seed alone."""
Grouped = Mapping[Group, Sequence[Row]]
COMPARED = (
    *((dataset, LOGGED) for dataset in DATASETS if dataset != LOGGED),
    *(("augment1", control) for control in ("random", "knn")),
)
"""Datasets of which the first is claimed to teach more than the second."""


def build_report(settings: OfflineSettings, source: Source, rows: Sequence[Row]) -> Report:
    """The report of all runs.

    Args:
        settings: of the benchmark.
        source: the log.
        rows: what each run found.
    """
    groups: dict[Group, list[Row]] = {}
    for row in rows:
        groups.setdefault((row["algorithm"], row["dataset"]), []).append(row)
    world = "truth" if source.world is not None else "LE"
    report = begin_report(
        settings,
        source,
        "d3rlpy's algorithms on the log as it is, with the LE's rewards and "
        "states, and with actions added, evaluated on users nobody learned from.",
        {"split": settings.seed, "first of training": settings.seed},
    )
    report.seconds.update(_cpu_seconds(rows))
    if claims := _findings(settings, groups, world):
        report.section("In short").add(*claims)
    add_log(report, source)
    section = report.section(
        "Offline learning with d3rlpy",
        f"Training seeds: {settings.seeds}; ± is the standard deviation over them. One split of "
        "the users.",
    )
    section.add(_ranking(settings, groups), _returns(settings, groups))
    section.add(_picture(settings, groups, world))
    if LOGGED in settings.datasets and len(settings.datasets) > 1:
        section.add(_differences(settings, groups, world))
    report.section("How it was done").add(
        _facts(settings, source, rows), _algorithms(settings), _datasets(settings, groups)
    )
    return report


def difference(
    groups: Grouped, algorithm: str, one: str, other: str, world: str
) -> tuple[Estimate, int]:
    """What an algorithm earns from one dataset minus what it earns from another.

    Returns:
        The mean over users and seeds with its 95% interval over users (the same, with the same
        luck, in every run), and how many seeds have the sign of that mean.
    """
    apart = _user_returns(groups, (algorithm, one), world)
    apart = apart - _user_returns(groups, (algorithm, other), world)
    mean, low, high = interval(apart.mean(axis=0))
    agreeing = int((np.sign(apart.mean(axis=1)) == np.sign(mean)).sum())
    return Estimate(mean, low, high), agreeing


def _user_returns(groups: Grouped, group: Group, world: str) -> Float64Array:
    """Returns with seen items masked, (seeds, users)."""
    return np.array([row["returns"][world] for row in groups[group]])


def _findings(settings: OfflineSettings, groups: Grouped, world: str) -> list[Element]:
    """One claim for each pair of datasets: that every algorithm earns more from the first."""
    claims: list[Element] = []
    who = "true" if world == "truth" else "simulated"
    for one, other in COMPARED:
        if one not in settings.datasets or other not in settings.datasets:
            continue
        found = {a: difference(groups, a, one, other, world) for a in settings.algorithms}
        surely = [
            algorithm
            for algorithm, (earned, agreeing) in found.items()
            if earned.low is not None and earned.low > 0 and agreeing == settings.seeds
        ]
        gains = ", ".join(f"{ALGORITHMS[a].label} {d.mean:+.2f}" for a, (d, _) in found.items())
        claims.append(
            Finding(
                f"Every algorithm earns more among {who} users from “{DATASETS[one].label}” than "
                f"from “{DATASETS[other].label}”",
                len(surely) == len(found),
                f"surely so for {len(surely)} of {len(found)} (95% interval over users above 0, "
                f"every seed of that sign): {gains}",
            )
        )
    return claims


def _ranking(settings: OfflineSettings, groups: Grouped) -> Table:
    """The next items of test users, and what the lists are like that should hold them."""
    steps = next(iter(groups.values()))[0]["steps"]
    return Table(
        "Next item of test users",
        ["run", *RANKED, *MASKED, *SHOWN],
        [
            [_label(group), *(_over(runs, key) for key in (*RANKED, *MASKED, *SHOWN))]
            for group, runs in groups.items()
        ],
        controls=[baseline.label for baseline in BASELINES.values()],
        best=(*RANKED, *MASKED),
        note=(
            f"All items are ranked at {steps:,} steps; where a column says masked, those that the "
            "user has seen stand last. Of the ten best: coverage, the share of the catalogue that "
            "is ever among them; novelty, bits of self-information by training popularity; Gini of "
            f"exposure, 0 if even. {_settings_text(settings)}"
        ),
        command=settings.command,
    )


def _returns(settings: OfflineSettings, groups: Grouped) -> Table:
    """What every group earns, world by world, masked and not."""
    names = {"LE": "LE users", "truth": "true users"}
    worlds = next(iter(groups.values()))[0]["returns"]
    columns = {
        name if masked else f"{name}, unmasked": return_column(world, masked)
        for world, name in names.items()
        for masked in (True, False)
        if world in worlds
    }
    return Table(
        "Return",
        ["run", *columns],
        [
            [_label(group), *(_over(runs, key) for key in columns.values())]
            for group, runs in groups.items()
        ],
        controls=[baseline.label for baseline in BASELINES.values()],
        best=[name for name in columns if not name.endswith("unmasked")],
        note=(
            "Test users, one episode each, the policy's best-scored item at every step; seen items "
            "are masked unless the column says otherwise. LE users are the model that made the "
            f"datasets, so it evaluates itself there. {_settings_text(settings)}"
        ),
        command=settings.command,
    )


def _picture(settings: OfflineSettings, groups: Grouped, world: str) -> Bars:
    """The picture: one group of bars a dataset, one colour an algorithm."""
    what = "true return" if world == "truth" else "return among LE users"
    series = {
        ALGORITHMS[algorithm].label: [
            Estimate(*interval(_user_returns(groups, (algorithm, dataset), world).mean(axis=0)))
            for dataset in settings.datasets
        ]
        for algorithm in settings.algorithms
    }
    return Bars(
        f"Return by dataset: {what}",
        "Means over seeds with 95% intervals over test users, seen items masked. The users are the "
        "same in every run, so differences are surer than the intervals look.",
        [DATASETS[dataset].short for dataset in settings.datasets],
        series,
        what,
        {
            baseline.label: _over(groups[name, None], return_column(world)).mean or 0.0
            for name, baseline in BASELINES.items()
        },
    )


def _differences(settings: OfflineSettings, groups: Grouped, world: str) -> Table:
    """Every dataset against the log, algorithm by algorithm."""
    rows: list[list[Any]] = []
    for algorithm in settings.algorithms:
        logged = groups[algorithm, LOGGED]
        for dataset in settings.datasets:
            if dataset == LOGGED:
                continue
            runs = groups[algorithm, dataset]
            gains = [
                run["NDCG@10"] - base["NDCG@10"] for run, base in zip(runs, logged, strict=True)
            ]
            earned, agreeing = difference(groups, algorithm, dataset, LOGGED, world)
            rows.append(
                [
                    _label((algorithm, dataset)),
                    Estimate.over(gains),
                    earned,
                    f"{agreeing} of {len(runs)}",
                ]
            )
    what = "true return" if world == "truth" else "return among LE users"
    return Table(
        f"Minus the same algorithm on “{DATASETS[LOGGED].label}”",
        ["run", "NDCG@10", what, "seeds of that sign"],
        rows,
        note=(
            "Pairs of one seed, and of one user with the same luck. NDCG: ± standard deviation "
            "over seeds. Return: [95% interval over users of the mean over seeds], seen items "
            "masked; it does not hold the chance of the training seeds, of which the last column "
            "tells."
        ),
        command=settings.command,
    )


def _facts(settings: OfflineSettings, source: Source, rows: Sequence[Row]) -> Facts:
    split = source.split
    return Facts(
        {
            "items": source.log.n_items,
            "training users": split.train.n_users,
            "test users": split.test.n_users,
            "episodes a run": len(next(iter(rows[0]["returns"].values()))),
            "runs": len(settings.runs),
            "gradient steps a run": settings.steps,
        }
    )


def _algorithms(settings: OfflineSettings) -> Table:
    rows: list[list[Any]] = []
    for name in settings.algorithms:
        algorithm = ALGORITHMS[name]
        actions = "items" if algorithm.actions == "item" else "points"
        rows.append(
            [algorithm.label, algorithm.library_name, actions, _options(algorithm.settings)]
        )
    return Table(
        "Algorithms",
        ["algorithm", "in d3rlpy", "actions", "settings, the same for every dataset"],
        rows,
        note=(
            f"Everything else as d3rlpy has it. Heads stand on one hidden layer of {HIDDEN}: over "
            "the LE's state, or over the recency-weighted mean of item embeddings (64) where a "
            "dataset has histories. BC learns no values: it is the control for all that do. Who "
            "chooses a point in item space shows, and ranks first, the item nearest to it."
        ),
        command=settings.command,
    )


def _datasets(settings: OfflineSettings, groups: Grouped) -> Table:
    proposers = {
        "language": "the LE",
        "random": "chance, uniformly",
        "cooccurrence": "item co-occurrence",
    }
    rows: list[list[Any]] = []
    for name in settings.datasets:
        variant = DATASETS[name]
        state = "the LE's" if variant.state == "language" else "last 50 items"
        reward = "the LE's" if variant.reward == "language" else "1"
        proposer = proposers[variant.method] if variant.augment else "nobody"
        size = groups[settings.algorithms[0], name][0]["transitions"]
        rows.append([variant.label, state, reward, variant.augment, proposer, size])
    return Table(
        "Datasets",
        ["dataset", "state", "reward", "added a step", "proposed by", "transitions"],
        rows,
        note=(
            "The LE gives the reward and the next state of added actions, whoever "
            "proposes them; never one of the user's own items, past or later."
        ),
        command=settings.command,
    )


def _settings_text(settings: OfflineSettings) -> str:
    """The settings of all algorithms in one sentence, each said once."""
    owners: dict[str, list[str]] = {}
    for algorithm in (ALGORITHMS[name] for name in settings.algorithms):
        for option, value in algorithm.settings.items():
            owners.setdefault(_options({option: value}), []).append(algorithm.label)
    texts = [
        option if len(who) == len(settings.algorithms) else f"{option} ({', '.join(who)})"
        for option, who in owners.items()
    ]
    return (
        f"Settings, the same for every dataset: {settings.steps:,} gradient steps, "
        f"{', '.join(texts)}."
    )


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in options.items())


def _label(group: Group) -> str:
    return Run(*group, seed=0).label


def _over(runs: Sequence[Row], key: str) -> Estimate:
    return Estimate.over([run[key] for run in runs])


def _cpu_seconds(rows: Sequence[Row]) -> dict[str, float]:
    """CPU seconds by algorithm, over its datasets and seeds."""
    labels = {name: algorithm.label for name, algorithm in ALGORITHMS.items()}
    labels |= {name: baseline.label for name, baseline in BASELINES.items()}
    seconds: dict[str, float] = {}
    for row in rows:
        who = labels[row["algorithm"]]
        seconds[who] = seconds.get(who, 0.0) + row["cpu_seconds"]
    return seconds
