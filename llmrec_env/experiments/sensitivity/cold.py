"""The section on cold items: ranking by how often training holds the taken item."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from llmrec_env.common.arrays import IntArray
from llmrec_env.evaluation.breakdowns import bin_names, step_bins
from llmrec_env.evaluation.ranking import ranking_metrics, user_metrics
from llmrec_env.experiments.sensitivity.points import METRIC, Point, read_ranks, read_row
from llmrec_env.experiments.sensitivity.settings import SensitivitySettings
from llmrec_env.experiments.study.methods import PLAIN
from llmrec_env.experiments.study.rankers import ALONE
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.experiments.study.statistics import paired_difference
from llmrec_env.experiments.tables import many
from llmrec_env.reporting import Bars, Estimate, Section, Table
from llmrec_env.reporting.terminal import masked_text

RANKERS = (f"LE{ALONE}", "item-kNN")
METRICS = ("HR@10", METRIC)
Found = dict[str, list[dict[str, Any]]]
"""By ranker: ``bin``, ``seed``, ``steps`` and the metrics, one row a bin and seed."""


def points_of(settings: SensitivitySettings) -> list[Point]:
    """The rankers that are held against each other."""
    trained = [
        Point(method, settings.backbone, seed)
        for method in (PLAIN, "soft targets")
        for seed in range(settings.seeds)
    ]
    return [*trained, *(Point(name) for name in RANKERS)]


def read(settings: SensitivitySettings, context: SplitContext) -> Found:
    """The metrics of every ranker and seed in every bin with a step."""
    bins = _bins(context)
    found: Found = {}
    for point in points_of(settings):
        if read_row(point, context)["diverged"]:
            continue
        ranks = read_ranks(point, context)
        for number in np.unique(bins):
            row = {"bin": bin_names()[number], "seed": point.seed}
            row |= ranking_metrics(ranks[bins == number], (10,))
            found.setdefault(point.method, []).append(row)
    return found


def flat_rows(found: Found) -> list[dict[str, Any]]:
    """One level of columns for each ranker, seed and bin."""
    return [
        {
            "part": "cold",
            "method": name,
            "seed": row["seed"],
            "bin": row["bin"],
            "steps": row["steps"],
            **{f"test {metric}": row[metric] for metric in METRICS},
        }
        for name, rows in found.items()
        for row in rows
    ]


def write(
    section: Section, settings: SensitivitySettings, context: SplitContext, basis: str
) -> None:
    """Add the tables and the bar pictures to a section."""
    found, bins = read(settings, context), _bins(context)
    steps = {bin_names()[number]: int((bins == number).sum()) for number in np.unique(bins)}
    seeds = f"Means over {many(settings.seeds, 'training seed')}, ± standard deviation"
    columns = [f"{name} ({count:,} steps)" for name, count in steps.items()]
    for metric in METRICS:
        values = {
            method: [_over(rows, name, metric) for name in steps] for method, rows in found.items()
        }
        hit = [any(own[number].mean for own in values.values()) for number in range(len(steps))]
        section.add(
            Table(
                f"{metric} by how often the item was seen",
                ["recommender", *columns],
                [[method, *own] for method, own in values.items()],
                controls=["item-kNN"],
                masked=context.mask_seen,
                best=[name for name, any_hit in zip(columns, hit, strict=True) if any_hit],
                note=f"{basis} {seeds}; the LE alone and item-kNN have no training seed.",
                command=settings.command,
                digits=4,
            ),
            Bars(
                f"{metric} by how often the item was seen in training",
                f"{seeds} (none without a training seed). Below each bin: its number of test "
                "steps. The fewer they are, the less a difference says. "
                f"{masked_text(context.mask_seen)}",
                [f"{_short(name)}\n{count:,}" for name, count in steps.items()],
                values,
                f"test {metric}",
                x_label="times seen in training, test steps",
            ),
        )
    section.add(_differences(found, settings, context, steps, basis))


def _differences(
    found: Found,
    settings: SensitivitySettings,
    context: SplitContext,
    steps: dict[str, int],
    basis: str,
) -> Table:
    bins, numbers = _bins(context), [bin_names().index(name) for name in steps]
    plain = [_users(PLAIN, settings, context, bins == number) for number in numbers]
    rows: list[list[Any]] = []
    for name in found:
        if name == PLAIN:
            continue
        own = [_users(name, settings, context, bins == number) for number in numbers]
        gaps = [paired_difference(a, b) for a, b in zip(own, plain, strict=True)]
        rows.append([name, *(Estimate(gap.mean, gap.low, gap.high) for gap in gaps)])
    return Table(
        f"{METRIC} above plain, by how often the item was seen",
        ["recommender", *(f"{bin_} ({count:,} steps)" for bin_, count in steps.items())],
        rows,
        controls=["item-kNN"],
        masked=context.mask_seen,
        note=f"{basis} Paired by test user and training seed; 95% intervals over test users, not "
        "corrected for the number of cells.",
        command=settings.command,
        digits=4,
    )


def _users(
    name: str, settings: SensitivitySettings, context: SplitContext, only: np.ndarray[Any, Any]
) -> pl.DataFrame:
    """Per-user metrics of a ranker's seeds on some of the steps."""
    points = [point for point in points_of(settings) if point.method == name]
    parts = [
        user_metrics(context.test, read_ranks(point, context), only=only).with_columns(
            pl.lit(context.split, pl.Int64).alias("split"),
            pl.lit(point.seed, pl.Int64).alias("seed"),
        )
        for point in points
        if not read_row(point, context)["diverged"]
    ]
    return pl.concat(parts)


def _bins(context: SplitContext) -> IntArray:
    split = context.source.split
    return step_bins(split.test, split.train.item_counts())


def _over(rows: list[dict[str, Any]], bin_: str, metric: str) -> Estimate:
    return Estimate.over([row[metric] for row in rows if row["bin"] == bin_])


def _short(name: str) -> str:
    """A bin's name where there is little room."""
    return name.replace("more than ", "> ")
