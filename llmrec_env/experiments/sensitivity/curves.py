"""The sections on curves: ranking metrics over the values of one setting, and over-fitting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmrec_env.experiments.sensitivity.points import (
    LOSS,
    METRIC,
    RANKED_PARTS,
    Point,
    Row,
    point_of,
    read_curve,
    read_row,
)
from llmrec_env.experiments.sensitivity.settings import SensitivitySettings
from llmrec_env.experiments.sensitivity.sweeps import Sweep, Value
from llmrec_env.experiments.study.methods import PLAIN
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.experiments.tables import many, other_column, other_part
from llmrec_env.reporting import Curve, Curves, Element, Estimate, Section, Table, Text
from llmrec_env.reporting.terminal import masked_text

TITLES = {
    "weight": ("Weight of the augmentation", "How much the proposed actions weigh in the loss."),
    "k": ("Number of proposed actions", "How many of the LE's best items are soft targets, K."),
    "share": (
        "Share of augmented data",
        "At how many of the steps with proposals the LE's actions are learned, a seeded choice; "
        "0 is the plain backbone.",
    ),
    "balance": (
        "Balance of the supervised and the RL loss",
        "How much Q-learning weighs beside next-item prediction, without the LE and with it.",
    ),
}
GROUPS = {"training": "training users", "validation": "validation users"}
Get = Callable[[Row], float | None]


@dataclass(frozen=True)
class Swept:
    """A curve whose points are all done.

    Attributes:
        sweep: the method and its setting.
        rows: of every value, one row a seed.
        plain: of the plain backbone.
    """

    sweep: Sweep
    rows: Mapping[Value, Sequence[Row]]
    plain: Sequence[Row]

    def means(self, part: str) -> list[float | None]:
        """The metric of every value, over seeds."""
        return [over(rows, metric(part)).mean for rows in self.rows.values()]


def points_of(settings: SensitivitySettings) -> list[Point]:
    """The trainings behind all curves, the plain backbone's first."""
    points = [Point(PLAIN, settings.backbone, seed) for seed in range(settings.seeds)]
    for sweep in settings.sweeps:
        for value in sweep.values:
            points += _points(sweep, value, settings)
    return list(dict.fromkeys(points))


def read(sweep: Sweep, settings: SensitivitySettings, context: SplitContext) -> Swept:
    """What the points of a curve found."""
    rows = {
        value: [read_row(point, context) for point in _points(sweep, value, settings)]
        for value in sweep.values
    }
    plain = [Point(PLAIN, settings.backbone, seed) for seed in range(settings.seeds)]
    return Swept(sweep, rows, [read_row(point, context) for point in plain])


def write(
    section: Section, sweep: Sweep, settings: SensitivitySettings, context: SplitContext, basis: str
) -> None:
    """Add a curve's sentence, table and pictures to a section."""
    swept = read(sweep, settings, context)
    seeds = many(settings.seeds, "training seed")
    section.add(
        Text(_summary(swept)),
        _table(swept, basis, settings.command, context.mask_seen),
        _lines(
            swept,
            sweep.title,
            f"Mean over {seeds}; bands: one standard deviation. The method's own value is "
            f"{sweep.usual:g}. {basis} {masked_text(context.mask_seen)}",
            {"validation": "validation", "test": "test"},
        ),
        _lines(
            swept,
            f"Over-fitting: {sweep.label}, {sweep.method}",
            f"{METRIC} of users that were learned from beside that of users that were not, with "
            f"the weights of the pass that validation kept; mean over {seeds}, bands: one standard "
            "deviation. The wider the two are apart, the more is learned by heart. Seen items not "
            "masked.",
            GROUPS,
        ),
    )
    if sweep.part == "share":
        section.add(*_passes(sweep, settings, context))


def flat_rows(swept: Swept) -> list[dict[str, Any]]:
    """One level of columns for each training of a curve."""
    sweep = swept.sweep
    return [
        {
            "part": sweep.part,
            "method": sweep.method,
            "setting": sweep.setting,
            "value": float(value),
            "seed": seed,
            "diverged": row["diverged"],
            **{
                f"{part} {name}": row[part].get(name)
                for part in RANKED_PARTS
                for name in ("HR@10", METRIC)
            },
            "training loss": row["loss"],
            "kept pass": row["kept pass"],
            "CPU seconds": sum(row["seconds"].values()),
        }
        for value, rows in swept.rows.items()
        for seed, row in enumerate(rows)
    ]


def _count(mean: float | None) -> float | None:
    """A mean of counts; an integer where it is one, which is shown without decimals."""
    return int(mean) if mean is not None and mean.is_integer() else mean


def over(rows: Sequence[Row], get: Get) -> Estimate:
    """Mean and standard deviation over the seeds that did not diverge."""
    values = [value for row in rows if (value := get(row)) is not None]
    return Estimate.over(values) if values else Estimate(None)


def metric(part: str, name: str = METRIC) -> Get:
    """Reads a metric of one part of the users; None where the training diverged."""
    return lambda row: row[part].get(name)


def _gap(row: Row) -> float | None:
    if row["diverged"]:
        return None
    gap: float = row["training"][METRIC] - row["validation"][METRIC]
    return gap


def _points(sweep: Sweep, value: Value, settings: SensitivitySettings) -> list[Point]:
    return [point_of(sweep, value, settings.backbone, seed) for seed in range(settings.seeds)]


def _table(swept: Swept, basis: str, command: str, masked: bool) -> Table:
    columns: dict[str, Get] = {
        f"{METRIC}, validation": metric("validation"),
        f"{METRIC}, test": metric("test"),
        "HR@10, test": metric("test", "HR@10"),
        other_column(masked): metric(other_part(masked)),
        f"{METRIC}, training users": metric("training"),
        "gap": _gap,
        "training loss": lambda row: row["loss"],
    }
    kept: Get = lambda row: row["kept pass"]  # noqa: E731
    named = {PLAIN: swept.plain}
    named |= {f"{value:g}": rows for value, rows in swept.rows.items()}
    diverged = sum(row["diverged"] for rows in swept.rows.values() for row in rows)
    lost = f" {many(diverged, 'training')} diverged and count nowhere." if diverged else ""
    return Table(
        swept.sweep.title,
        [swept.sweep.setting, *columns, "kept pass"],
        [
            [name, *(over(rows, get) for get in columns.values()), _count(over(rows, kept).mean)]
            for name, rows in named.items()
        ],
        controls=[PLAIN],
        masked=masked,
        best=[name for name in columns if name.endswith(("validation", "test"))],
        note=f"{basis} Means over {many(len(swept.plain), 'training seed')}, ± standard deviation. "
        f"Gap: {METRIC} of as many training users less that of validation users. Training loss: of "
        "the logged actions alone, in the pass that validation kept (of which the last column "
        f"tells).{lost}",
        command=command,
        digits=4,
    )


def _lines(swept: Swept, title: str, caption: str, parts: Mapping[str, str]) -> Curves:
    """A line for each part of the users, and beside it the plain backbone's level."""
    series = []
    for part, name in parts.items():
        found = [over(rows, metric(part)) for rows in swept.rows.values()]
        plain = over(swept.plain, metric(part)).mean
        series.append(
            Curve(
                name,
                list(swept.rows),
                [estimate.mean for estimate in found],
                [_shifted(estimate, -1) for estimate in found],
                [_shifted(estimate, 1) for estimate in found],
                {} if plain is None else {f"{PLAIN}, {name}": plain},
            )
        )
    label, is_log = swept.sweep.label, swept.sweep.is_log
    return Curves(title, caption, series, label, METRIC, log_x=is_log)


def _shifted(estimate: Estimate, sign: int) -> float | None:
    return None if estimate.mean is None else estimate.mean + sign * (estimate.sd or 0.0)


def _passes(sweep: Sweep, settings: SensitivitySettings, context: SplitContext) -> list[Element]:
    """Validation and training loss pass by pass, a line a value."""
    pictures: list[Element] = []
    for name, title, what in (
        (METRIC, "Validation by pass", f"{METRIC} of validation users"),
        (LOSS, "Training loss by pass", "The loss of the logged actions, augmentation aside"),
    ):
        series = []
        for value in sweep.values:
            curves = [
                [row[name] for row in curve[1:]]
                for curve in (read_curve(p, context) for p in _points(sweep, value, settings))
                if curve
            ]
            shortest = min(map(len, curves), default=0)
            means = np.mean([curve[:shortest] for curve in curves], axis=0) if shortest else []
            series.append(Curve(f"share {value:g}", range(1, shortest + 1), means))
        if max(len(curve.x) for curve in series) < 2:
            return []  # a single pass has no course
        caption = (
            f"{what}, mean over {many(settings.seeds, 'training seed')}, as long as all of them "
            f"learn; a line for each {sweep.label}. Where validation falls while the training loss "
            "goes on falling, learning over-fits."
        )
        label = METRIC if name == METRIC else "cross-entropy"
        pictures.append(
            Curves(f"{title}, {sweep.label}", caption, series, "pass over the log", label)
        )
    return pictures


def _summary(swept: Swept) -> str:
    """The numbers that the pictures show, in words."""
    sweep, values = swept.sweep, list(swept.rows)
    validation, test = swept.means("validation"), swept.means("test")
    known = [number for number, value in enumerate(validation) if value is not None]
    plain = over(swept.plain, metric("test")).mean
    if not known or plain is None:
        return f"{sweep.method}: every training diverged."
    best = max(known, key=lambda number: validation[number] or 0.0)
    gaps = [over(swept.rows[value], _gap).mean for value in values]
    widest = max(known, key=lambda number: gaps[number] or 0.0)
    above = sum((test[number] or 0.0) > plain for number in known)
    usual = ""
    if sweep.usual in values and (own := test[values.index(sweep.usual)]) is not None:
        usual = f", {own:.4f} at the method's own {sweep.usual:g}"
    return (
        f"{sweep.method}: validation prefers {sweep.setting} {values[best]:g}. Test {METRIC} is "
        f"{test[best]:.4f} there{usual} and {plain:.4f} for the plain backbone; {above} of "
        f"{many(len(known), 'value')} lie above plain. The gap of training and validation users is "
        f"largest at {values[widest]:g} ({gaps[widest]:.4f})."
    )
