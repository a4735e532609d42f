"""Builds the report of a run: what each step adds to the recommender that it began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.data.source import Source
from llmrec_env.evaluation.intervals import interval
from llmrec_env.experiments.improvement.judging import Earned
from llmrec_env.experiments.improvement.settings import ARMS, MIXTURE, ImprovementSettings
from llmrec_env.experiments.tables import add_log, begin_report, many
from llmrec_env.experiments.verdicts import shortened, verdict
from llmrec_env.reporting import Curve, Curves, Element, Estimate, Report, Table
from llmrec_env.reporting.elements import Cell

Found = Mapping[str, Sequence[Sequence[Earned]]]
"""By arm and recommender: what was earned before the first step and after each."""
COLUMNS = {"LE": "simulated", "truth": "true"}


def step_rows(found: Found) -> list[dict[str, Any]]:
    """One row of plain values a step, for ``steps.csv``."""
    rows = []
    for arm, trainings in found.items():
        for number, steps in enumerate(trainings):
            for step, earned in enumerate(steps):
                row: dict[str, Any] = {"arm": arm, "recommender": number, "step": step}
                for world, column in COLUMNS.items():
                    own = np.array(earned.get(world, [np.nan]))
                    first = np.array(steps[0].get(world, [np.nan]))
                    gain = interval(own - first)
                    row |= {column: float(own.mean()), f"{column}_gain": gain.mean}
                    row |= {f"{column}_low": gain.low, f"{column}_high": gain.high}
                rows.append(row | {"users": len(earned["LE"])})
    return rows


def build_report(settings: ImprovementSettings, source: Source, found: Found) -> Report:
    """The report of a run.

    Args:
        settings: of the run.
        source: the log.
        found: what every step earned.
    """
    first = next(iter(found.values()))[0][0]
    users = len(first["LE"])
    report = begin_report(
        settings,
        source,
        "A recommender learns from the log, and is then improved among users: what does each step "
        f"of RL add to it, among simulated and among true users?{shortened(settings.budget)}",
        {"split, members, first recommender and luck": settings.seed},
    )
    if "truth" in first:
        report.section("In short").add(*_findings(settings, found, users))
    add_log(report, source)
    section = report.section(
        "The steps",
        f"{many(users, 'test user')}, {many(settings.lucks, 'episode')} each, the same with the "
        f"same luck at every step; {many(settings.seeds, 'recommender')}; seen items masked.",
    )
    section.add(_table(report, found), *_pictures(found))
    return report


def _findings(settings: ImprovementSettings, found: Found, users: int) -> list[Element]:
    told: list[Element] = []
    for arm in found:
        own, difference = _returns(found, arm, -1, "truth"), _gains(found, arm, -1, "truth")
        begun = _returns(found, arm, 0, "truth")
        gain = interval(difference)
        evidence = (
            f"{begun.mean():.2f} before and {own.mean():.2f} after, {gain.mean:+.2f} "
            f"[{gain.low:+.2f}, {gain.high:+.2f}]; {many(settings.seeds, 'recommender')}"
        )
        claim = f"{arm}: earns more from true users than the recommender that it began with"
        told.append(verdict(claim, evidence, [gain], users, settings.budget))
    return told + _beyond_mixture(settings, found, users)


def _beyond_mixture(settings: ImprovementSettings, found: Found, users: int) -> list[Element]:
    """What RL earns more from true users than the LE's taste without RL does."""
    told: list[Element] = []
    for arm in (arm for arm in found if arm != MIXTURE and MIXTURE in found):
        own, mixed = _returns(found, arm, -1, "truth"), _returns(found, MIXTURE, -1, "truth")
        more = interval(own - mixed)
        told.append(
            verdict(
                f"{arm}: earns more from true users than mixing the LE in without RL",
                f"{own.mean():.2f} and {mixed.mean():.2f}, {more.mean:+.2f} "
                f"[{more.low:+.2f}, {more.high:+.2f}]; {many(settings.seeds, 'recommender')}",
                [more],
                users,
                settings.budget,
            )
        )
    return told


def _returns(found: Found, arm: str, step: int, world: str) -> Float64Array:
    """Mean over recommenders, (n_users,)."""
    return np.mean([steps[step][world] for steps in found[arm]], axis=0)


def _gains(found: Found, arm: str, step: int, world: str) -> Float64Array:
    return _returns(found, arm, step, world) - _returns(found, arm, 0, world)


def _table(report: Report, found: Found) -> Table:
    arms = list(found)
    worlds = [world for world in COLUMNS if world in found[arms[0]][0][0]]
    begin: list[Cell] = ["the recommender", 0]
    for world in worlds:
        begin += [Estimate(*interval(_returns(found, arms[0], 0, world))), ""]
    rows = [begin]
    for arm in arms:
        for step in range(1, len(found[arm][0])):
            row: list[Cell] = [arm, "" if arm == MIXTURE else step]
            for world in worlds:
                row.append(Estimate(*interval(_returns(found, arm, step, world))))
                row.append(Estimate(*interval(_gains(found, arm, step, world))))
            rows.append(row)
    columns = ["arm", "step"]
    for world in worlds:
        columns += [COLUMNS[world], f"{COLUMNS[world]}, gain"]
    meanings = "; ".join(f"{arm}: {ARMS[arm]}" for arm in arms)
    return Table(
        "What each step adds to the recommender that it began with",
        columns,
        rows,
        masked=True,
        note=f"Mean returns with 95% intervals over users; gains in pairs. {meanings}.",
        command=report.command,
        digits=2,
    )


def _pictures(found: Found) -> list[Element]:
    """Gains over steps, among simulated and among true users."""
    pictures: list[Element] = []
    for world, title in (("LE", "Gain among simulated users"), ("truth", "Gain among true users")):
        curves = []
        for arm, trainings in found.items():
            if arm == MIXTURE or world not in trainings[0][0]:
                continue
            steps = range(len(trainings[0]))
            gains = [interval(_gains(found, arm, step, world)) for step in steps]
            means, low, high = zip(*gains, strict=True)
            curves.append(Curve(arm, list(steps), means, low, high))
        if curves:
            caption = "Mean return less that of the recommender, with its 95% interval."
            pictures.append(Curves(title, caption, curves, "step of improvement", "return, gain"))
    return pictures
