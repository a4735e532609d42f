"""Runs the missing points of a sensitivity study and builds its report."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from llmrec_env.common.errors import SettingError
from llmrec_env.common.extras import require
from llmrec_env.common.run_folder import RunFolder
from llmrec_env.data.source import log_fingerprint
from llmrec_env.experiments.opened import close_opened
from llmrec_env.experiments.sensitivity import cold, curves, state_map
from llmrec_env.experiments.sensitivity.points import check_point, do_point
from llmrec_env.experiments.sensitivity.projection import has_neighbour_plane
from llmrec_env.experiments.sensitivity.settings import SensitivitySettings
from llmrec_env.experiments.stages import Stage, run_stages
from llmrec_env.experiments.study.run import simulator_stages
from llmrec_env.experiments.study.simulators import open_simulator
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.experiments.tables import add_log, begin_report, save_report, write_rows
from llmrec_env.reporting import Report


def run_sensitivity(
    settings: SensitivitySettings, folder: str | os.PathLike[str], workers: int | None = None
) -> Report:
    """Train what is missing, save the pictures and the numbers to ``folder``, return the report.

    More parts, values, seeds, splits or backbones may be asked of a folder later: what is done
    stays.

    Args:
        settings: which settings are moved.
        folder: the LE, one folder a training, ``points.csv``, ``points.parquet``, ``results.json``,
            ``results.md``, ``report.html`` and ``figures``.
        workers: processes at work at once, one thread each; one a core where None. With more than
            one, a script has to call this under ``if __name__ == "__main__":``.

    Raises:
        SettingError: the folder holds a study of other data or settings.
        MissingExtraError: the extra ``bench`` is not installed.
    """
    if "cold" in settings.parts:
        require("scipy.stats", "bench")
    if "map" in settings.parts and settings.projection == "tsne" and not has_neighbour_plane():
        raise SettingError("projection='tsne' needs scikit-learn: pip install scikit-learn")
    place = RunFolder.check(folder, settings.KIND)
    close_opened()
    open_simulator.cache_clear()
    context = SplitContext(settings.study, place, settings.split)
    contents = {"log": log_fingerprint(context.source.log)}
    with RunFolder.claim(
        place, settings.KIND, settings.to_json(), settings.GROWING, contents
    ) as own:
        run_stages(_stages(settings, context), workers)
        report, rows = _report(settings, context)
        write_rows(rows, own, "points")
        save_report(report, own)
        return report


def _stages(settings: SensitivitySettings, context: SplitContext) -> list[Stage]:
    """The LE and its labels, and all that is trained or ranked."""
    points = curves.points_of(settings) if settings.sweeps else []
    points += cold.points_of(settings) if "cold" in settings.parts else []
    points += state_map.points_of(settings) if "map" in settings.parts else []
    stages = simulator_stages(context)
    needed = tuple(stage.name for stage in stages)
    for point in dict.fromkeys(points):
        check_point(point, context)
        needs = needed if point.asks_simulator else ()
        done = point.is_done(context)
        stages.append(Stage(point.name, partial(do_point, point, context), done, needs))
    return stages


def _report(
    settings: SensitivitySettings, context: SplitContext
) -> tuple[Report, list[dict[str, Any]]]:
    """The report, and the rows of the table of all points."""
    split = context.source.split
    report = begin_report(
        settings,
        context.source,
        "How a result depends on its settings: one setting moved at a time, all others as the "
        "method has them, evaluated on users nobody learned from.",
        {"split": settings.split, "training seeds, from 0": settings.seeds},
    )
    counts = f"{settings.split} / {settings.seeds}"
    more = {"backbone": settings.backbone, "split / training seeds": counts}
    add_log(report, context.source, mean=False, more=more)
    basis = (
        f"Full catalogue, every step of {split.validation.n_users:,} validation and "
        f"{split.test.n_users:,} test users of one split."
    )
    rows: list[dict[str, Any]] = []
    for part in settings.parts:
        rows += _part(report, part, settings, context, basis)
    return report, rows


def _part(
    report: Report, part: str, settings: SensitivitySettings, context: SplitContext, basis: str
) -> list[dict[str, Any]]:
    """Write one part's section; returns its rows of the table of all points."""
    if part == "cold":
        section = report.section(
            "Cold and warm items", "Test steps by how often training holds the item that was taken."
        )
        cold.write(section, settings, context, basis)
        return cold.flat_rows(cold.read(settings, context))
    if part == "map":
        section = report.section(
            "Where users stand",
            "The states from which the next item is predicted, the LE's and the backbone's.",
        )
        found = state_map.read(settings, context)
        state_map.write(section, found, settings)
        return state_map.flat_rows(found)
    section = report.section(*curves.TITLES[part])
    rows = []
    for sweep in settings.sweeps:
        if sweep.part == part:
            curves.write(section, sweep, settings, context, basis)
            rows += curves.flat_rows(curves.read(sweep, settings, context))
    return rows
