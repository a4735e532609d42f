"""The report's sections on costs and on the chosen hyper-parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from llmrec_env.experiments.study import teachers
from llmrec_env.experiments.study.language_simulators import seconds_of_texts
from llmrec_env.experiments.study.measure import BATCH
from llmrec_env.experiments.study.methods import Method
from llmrec_env.experiments.study.runs import METRIC, Results, row_name
from llmrec_env.experiments.study.search import chosen, defaults, finished_trials
from llmrec_env.experiments.study.simulators import costs
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.reporting import Report, Table, Text

PARTS = ("learning", "labelling")
Costs = Mapping[str, Sequence[Mapping[str, float]]]
"""CPU seconds of each simulator, split by split."""


def write(report: Report, results: Results) -> None:
    """The sections on costs and on hyper-parameters."""
    settings = results.settings
    contexts = [SplitContext(settings, results.out, split) for split in range(settings.splits)]
    made = {name: [costs(name, context) for context in contexts] for name in settings.simulators}
    section = report.section(
        "Costs", "What each row costs: before it serves, once for each run or split, and after."
    )
    section.add(_costs(results, made, contexts, report.command))
    if made:
        section.add(_simulators(results, made))
    _search(report, results)


def _costs(results: Results, made: Costs, contexts: Sequence[SplitContext], command: str) -> Table:
    rows = []
    for name in results.names:
        runs = results.rows[name]
        simulator = made.get(runs[0]["simulator"], [{}])
        learning, labels = (_mean(run["seconds"].get(part, 0.0) for run in runs) for part in PARTS)
        labels += _mean(cost.get("labelling", 0.0) for cost in simulator)
        if (teacher := runs[0]["settings"].get("teacher")) is not None:
            labels += _mean(teachers.seconds(teacher, context) for context in contexts)
        user = _mean(cost.get("learning", 0.0) for cost in simulator)
        serving = [[run["serving"].get(f"ms, {size}") for run in runs] for size in (1, BATCH)]
        times = [None if None in found else _mean(found) for found in serving]
        rows.append([name, learning, labels, user, *times])
    return Table(
        "Costs",
        [
            *("recommender", "training, CPU s", "labels, CPU s", "its user, CPU s"),
            *("1 history, ms", f"{BATCH} histories, ms"),
        ],
        rows,
        note=f"Means over runs. {results.basis} One thread. Labels: the simulated user's states "
        "and rewards of the training users, and the proposed actions. Its user: learning the "
        "simulated user, which like its states and rewards is done once for each split and serves "
        "all methods that name it. The training of item-kNN is its search. Of an ensemble only the "
        "first ranker is counted. Serving: the ten best items, scores alone for a simulated user; "
        "CPU milliseconds, median; “–” where it was not timed: rows that need no model, and "
        "ensembles.",
        command=command,
        digits=1,
    )


def _simulators(results: Results, made: Costs) -> Table:
    known = {part for costs_of in made.values() for cost in costs_of for part in cost}
    parts = [*sorted(known - {*PARTS}), *PARTS]
    return Table(
        "Making the simulated users",
        ["simulated user", *(f"{part}, CPU s" for part in parts)],
        [
            [f"{name}, split {split}", *(cost.get(part) for part in parts)]
            for name, costs_of in made.items()
            for split, cost in enumerate(costs_of)
        ],
        note=f"{results.basis} {_texts(results)}A learning that was killed counts from where it "
        "was continued.",
        digits=1,
    )


def _texts(results: Results) -> str:
    seconds = seconds_of_texts(SplitContext(results.settings, results.out, 0))
    if seconds is None:
        return ""
    return f"Before all of them the item texts were read once, in {seconds:,.0f} CPU s. "


def _search(report: Report, results: Results) -> None:
    settings = results.settings
    if not settings.trials:
        nothing = "Nothing was searched (--trials 0): every method took its defaults."
        report.section("Hyper-parameters", nothing)
        return
    tuned = "every method and" if settings.tune == "each" else "the plain method on every"
    others = "" if settings.tune == "each" else "Every other method takes what plain was given. "
    section = report.section(
        "Hyper-parameters",
        f"{settings.trials} trials for {tuned} backbone, on validation users of split 0 with a "
        f"training seed of their own; the first is the defaults. {others}What was chosen holds for "
        "all splits and seeds; test users decided nothing.",
    )
    steps = results.rows["popularity"][0]["validation"]["steps"]
    section.add(
        Table(
            "What validation chose",
            ["recommender", "trials", "defaults", "best", "CPU s", "chosen"],
            [
                _chosen(results, backbone, method)
                for backbone in settings.backbones
                for method in settings.searches
            ],
            masked=results.masked,
            note=f"{METRIC} of validation users of split 0 ({steps:,} steps; at most 1,000 users "
            "a trial), one training seed.",
            command=report.command,
            digits=4,
        )
    )
    knn = results.rows["item-kNN"]
    found = "; ".join(f"split {row['split']}: {_settings(row['chosen'])}" for row in knn)
    section.add(
        Text(f"item-kNN took its settings from each split's own validation users: {found}.")
    )


def _chosen(results: Results, backbone: str, method: Method) -> list[Any]:
    """A row: trials, validation of the defaults and of the best, seconds, the settings."""
    settings = results.settings
    trials = finished_trials(results.out, backbone, method)[: settings.trials]
    found = chosen(settings, results.out, backbone, method)
    usual = found == defaults(backbone, method)
    return [
        row_name(method.name, backbone),
        len(trials),
        trials[0]["value"],
        max(trial["value"] for trial in trials if trial["value"] is not None),
        sum(trial["seconds"] for trial in trials),
        "the defaults" if usual else _settings({key: found[key] for key in method.space}),
    ]


def _settings(values: Mapping[str, Any]) -> str:
    shown = (f"{v:.3g}" if isinstance(v, float) else str(v) for v in values.values())
    return ", ".join(f"{name} {value}" for name, value in zip(values, shown, strict=True))


def _mean(values: Iterable[Any]) -> float:
    return float(np.mean(list(values)))
