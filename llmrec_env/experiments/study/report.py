"""Builds the report of a study: tables, differences with intervals, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.experiments.study import costs
from llmrec_env.experiments.study.beyond_accuracy import EPISODES
from llmrec_env.experiments.study.comparisons import ITEM_KNN, Comparison, compare, findings, p_text
from llmrec_env.experiments.study.measure import KS
from llmrec_env.experiments.study.methods import PLAIN
from llmrec_env.experiments.study.runs import METRIC, Results
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.experiments.study.statistics import Spread, spread
from llmrec_env.experiments.tables import add_log, begin_report, many, other_column, other_part
from llmrec_env.experiments.verdicts import shortened
from llmrec_env.reporting import Curve, Curves, Estimate, Forest, Report, Section, Table, Text
from llmrec_env.reporting.terminal import masked_text

MAX_LINES = 6
METRICS = ("HR", "NDCG")


def build_report(settings: StudySettings, out: Path) -> Report:
    """The report of a study whose runs are all done."""
    results = Results(settings, out)
    source = SplitContext(settings, out, 0).source
    report = begin_report(
        settings,
        source,
        "Recommenders that learn from a log, alone and with a simulated user, evaluated on users "
        f"nobody learned from.{shortened(settings.budget)}",
        {"splits, from 0": settings.splits, "training seeds, from 0": settings.seeds},
    )
    comparisons = compare(
        settings, results.users, {name: results.mean(name, "validation") for name in results.names}
    )
    # Of trainings cut short nothing is to be claimed.
    if settings.budget >= 1 and (claims := findings(comparisons, settings)):
        report.section("In short").add(*claims)
    counts = f"{settings.splits} / {settings.seeds}"
    add_log(report, source, more={"splits / training seeds": counts})
    _ranking(report, results)
    _beyond(report, results)
    _differences(report, results, comparisons)
    _curves(report, results)
    costs.write(report, results)
    return report


def _ranking(report: Report, results: Results) -> None:
    controls = [name for name in results.names if results.rows[name][0]["role"] == "control"]
    section = report.section("Ranking", "Where the item stands that a test user took next.")
    versions = {tuple(row["versions"].items()) for own in results.rows.values() for row in own}
    if len(versions) > 1:
        section.add(
            Text(
                f"These runs were made with {len(versions)} sets of package versions: row.json of "
                "each says which."
            )
        )

    devices = {
        row["config"]["device"] for own in results.rows.values() for row in own if row["config"]
    }
    if len(devices) > 1:
        section.add(
            Text(
                f"These runs were trained on {' and on '.join(sorted(devices))}, where the same "
                "training seed draws other numbers: config of each run's row.json says where."
            )
        )

    def table(title: str, columns: dict[str, Callable[[str], float | None]], note: str) -> Table:
        return Table(
            title,
            ["recommender", *columns],
            [[name, *(value(name) for value in columns.values())] for name in results.names],
            controls=controls,
            masked=results.masked,
            best=[name for name in columns if "sd" not in name],
            note=f"{results.basis} {note}",
            command=report.command,
            digits=4,
        )

    def test(metric: str) -> Callable[[str], float]:
        return lambda name: results.mean(name, "test", metric)

    def other(metric: str) -> Callable[[str], float]:
        return lambda name: results.mean(name, other_part(results.masked), metric)

    def scatter(name: str) -> Spread:
        return spread(results.values(name, "test", METRIC))

    first: dict[str, Callable[[str], float | None]] = {
        "HR@10": test("HR@10"),
        METRIC: test(METRIC),
        **{other_column(results.masked, metric): other(metric) for metric in ("HR@10", METRIC)},
        "sd, seeds": lambda name: scatter(name).over_seeds,
        "sd, splits": lambda name: scatter(name).over_splits,
        f"{METRIC}, validation": lambda name: results.mean(name, "validation"),
    }
    others = {f"{metric}@{k}": test(f"{metric}@{k}") for k in KS if k != 10 for metric in METRICS}
    section.add(
        table(
            "Next-item ranking",
            first,
            f"Means over seeds and splits; standard deviations of {METRIC} over the seeds of a "
            "split (pooled), and of the splits' means. Rows without a backbone have no training "
            "seed.",
        ),
        table("Other cut-offs", {**others}, "Means over seeds and splits."),
    )


def _beyond(report: Report, results: Results) -> None:
    columns = [name for name in results.rows[results.names[0]][0]["beyond"] if "@" in name]
    answering = sorted({who for own in results.rows.values() for who in own[0]["returns"]})

    def earned(name: str, who: str) -> float | None:
        # Runs that were added when the study had no such user do not know.
        known = all(who in row["returns"] for row in results.rows[name])
        return results.mean(name, "returns", who) if known else None

    report.section("Beyond accuracy", "What is shown, and what it earns from simulated users.").add(
        Table(
            "Lists and returns",
            ["recommender", *columns, *(f"return, {who}" for who in answering)],
            [
                [
                    name,
                    *(results.mean(name, "beyond", column) for column in columns),
                    *(earned(name, who) for who in answering),
                ]
                for name in results.names
            ],
            masked=results.masked,
            note=f"{results.basis} Lists of the ten best; diversity is between the items' "
            f"categories. Returns: one episode of at most {EPISODES} test users a run, there with "
            "seen items masked; “–” for what only ranks (item-kNN, a simulated user alone, "
            "ensembles) and for runs that were done before the study had an LE.",
            command=report.command,
            digits=3,
        )
    )


def _differences(report: Report, results: Results, found: Sequence[Comparison]) -> None:
    if not found:
        return
    section = report.section(
        "Differences",
        "Each method against another on the same backbone, or against what has none, paired by "
        "split, training seed and test user.",
    )
    if PLAIN not in results.settings.methods:
        section.add(
            Text(f"Nothing is held against the plain backbone: add {PLAIN!r} to --methods.")
        )
    for comparison in found:
        _difference(section, results, comparison, report.command)


def _difference(section: Section, results: Results, found: Comparison, command: str) -> None:
    rows: list[list[Any]] = []
    intervals: dict[str, Estimate] = {}
    for name, (other, difference, corrected) in found.rows.items():
        label = name if found.reference == PLAIN else f"{name} − {_short(other, name)}"
        intervals[label] = Estimate(difference.mean, difference.low, difference.high)
        rows.append(
            [
                label,
                intervals[label],
                f"{100 * difference.relative:+.1f}%",
                p_text(difference.p),
                p_text(corrected),
                f"{difference.agreeing} of {len(difference.splits)}",
                difference.over_runs,
            ]
        )
    users = max(difference.users for _, difference, _ in found.rows.values())
    note = (
        f"95% intervals and p-values over {users:,} different test users, clustered by user; "
        "Holm's correction over the rows of this table. They say nothing of other training users "
        "or seeds: for those, see how many splits agree in sign and how the paired runs scatter."
    )
    columns = ["recommender", "difference", "relative", "p", "p, Holm", "splits agree", "sd, runs"]
    section.add(
        Table(
            f"{METRIC} above {found.reference}",
            columns,
            rows,
            masked=results.masked,
            note=f"{results.basis} {note}",
            command=command,
            digits=4,
        ),
        Forest(
            f"{METRIC} above {found.reference}, 95% intervals",
            f"Test {METRIC} minus that of {found.reference}"
            f"{'' if found.reference == ITEM_KNN else ', on the same backbone where it has one'}. "
            f"{results.basis} {masked_text(results.masked)}",
            intervals,
            f"difference in {METRIC}",
        ),
    )


def _short(other: str, name: str) -> str:
    """The other row's name, without the backbone that both have."""
    return other.removeprefix(f"{name.split()[0]} ")


def _curves(report: Report, results: Results) -> None:
    section = report.section(
        "Learning",
        "The best validation of each run up to a pass, which is what early stopping would keep.",
    )
    settings = results.settings
    for backbone in settings.backbones:
        # An ensemble's curve would be that of the plain backbone in it.
        methods = [method for method in settings.compared if method.fused_with is None]
        parts = math.ceil(len(methods) / MAX_LINES)
        for number in range(parts):  # about as many lines in each picture
            part = methods[len(methods) * number // parts : len(methods) * (number + 1) // parts]
            series = [
                _curve(method.name, results.curves(f"{backbone} {method.name}")) for method in part
            ]
            count = "" if parts == 1 else f", {number + 1}"
            section.add(
                Curves(
                    f"Learning curves, {backbone}{count}",
                    f"{METRIC} on validation users, mean over "
                    f"{many(settings.splits, 'split')} and "
                    f"{many(settings.seeds, 'training seed')}; bands: one standard deviation over "
                    "the seeds of a split. A run that has stopped keeps its best value. "
                    f"{masked_text(results.masked)}",
                    series,
                    "pass over the log",
                    METRIC,
                )
            )


def _curve(method: str, curves: Mapping[int, Sequence[Sequence[float]]]) -> Curve:
    longest = max(len(curve) for own in curves.values() for curve in own)
    best = {
        split: [
            np.pad(np.maximum.accumulate(curve), (0, longest - len(curve)), mode="edge")
            for curve in own
        ]
        for split, own in curves.items()
    }
    found = [
        spread({split: [float(curve[n]) for curve in own] for split, own in best.items()})
        for n in range(longest)
    ]
    # Before the first pass all rank at random, and the picture would show little else.
    first = 1 if longest > 2 else 0
    found = found[first:]
    arms = [part.over_seeds or 0.0 for part in found]
    means = [part.mean for part in found]
    return Curve(
        method,
        range(first, longest),
        means,
        [mean - arm for mean, arm in zip(means, arms, strict=True)],
        [mean + arm for mean, arm in zip(means, arms, strict=True)],
    )
