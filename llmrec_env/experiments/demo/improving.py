"""The demo's stage of improvement: what RL among simulated users adds to a recommender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from llmrec_env.common.arrays import Float64Array
from llmrec_env.data.repeats import masks_seen
from llmrec_env.data.source import Source
from llmrec_env.evaluation.intervals import Interval, interval
from llmrec_env.evaluation.ranking import evaluate_ranking
from llmrec_env.experiments.demo.recommenders import saved_place
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.experiments.tables import many
from llmrec_env.experiments.verdicts import verdict
from llmrec_env.reporting import Element, Estimate, Report, Table
from llmrec_env.reporting.elements import Cell
from llmrec_env.users.language import LanguageUser

Found = dict[str, Any]
LUCKS = 2
"""Episodes that each user lives, every time with another luck."""
WHERE = {"truth": "the TRUE users", "LE": "the simulated users"}


def measure(folder: Path, settings: DemoSettings, source: Source, simulator: LanguageUser) -> Found:
    """Improve the plain recommender that validation prefers, and judge it before and after."""
    # Only here: these import the libraries of extras.
    from agents import Recommender
    from agents.improving import ImproveConfig, improve
    from llmrec_env.experiments.improvement.judging import judge, judges

    split = source.split
    masked = masks_seen(split.train)

    def quality(backbone: str) -> float:
        return evaluate_ranking(plain[backbone], split.validation, (10,), masked)["NDCG@10"]

    plain = {
        own: Recommender.load(saved_place(folder, f"{own} plain"), source.log.catalogue)
        for own in settings.backbones
    }
    best = max(plain, key=quality)
    config = ImproveConfig(
        episodes=settings.steps(ImproveConfig.episodes),
        gradient_steps=settings.steps(ImproveConfig.gradient_steps),
        seed=settings.seed,
    )
    before = plain[best]
    after = improve(before, simulator.with_users(split.train), None, config)
    wanted = min(settings.episodes, settings.steps(settings.episodes, least=4))
    worlds = judges(source, simulator, wanted, settings.seed)
    earned = {
        name: judge(policy, worlds, LUCKS, settings.seed)
        for name, policy in (("before", before), ("after", after))
    }
    return {"backbone": best, "earned": earned}


def findings(found: Found, budget: float) -> list[Element]:
    """The claims that this stage can settle, true users first."""
    told: list[Element] = []
    for world in (world for world in WHERE if world in found["earned"]["before"]):
        before, after, gain = _numbers(found, world)
        mean, low, high = gain
        evidence = (
            f"{before.mean():.2f} before and {after.mean():.2f} after, {mean:+.2f} "
            f"[{low:+.2f}, {high:+.2f}]; one recommender"
        )
        claim = (
            f"{found['backbone']}, improved by RL among simulated users, earns more from "
            f"{WHERE[world]} than before"
        )
        told.append(verdict(claim, evidence, [gain], len(before), budget))
    return told


def write(report: Report, found: Found) -> None:
    """The section on what RL adds."""
    rows: list[list[Cell]] = []
    for world in (world for world in WHERE if world in found["earned"]["before"]):
        before, after, gain = _numbers(found, world)
        estimates = [Estimate(*interval(own)) for own in (before, after)]
        rows.append([WHERE[world], *estimates, Estimate(*gain)])
    users = many(len(next(iter(found["earned"]["before"].values()))), "test user")
    report.section(
        "What RL adds to a recommender",
        "The plain recommender that validation prefers goes on learning among simulated training "
        "users, who are asked about several of its items at every moment, and is judged among "
        "test users before and after.",
    ).add(
        Table(
            f"{found['backbone']}, before and after",
            ["earned from", "before", "after", "gain"],
            rows,
            masked=True,
            note=f"{users}, {LUCKS} episodes each, the same with the same luck: mean returns with "
            "95% intervals over users; gains in pairs.",
            command=report.command,
            digits=2,
        )
    )


def _numbers(found: Found, world: str) -> tuple[Float64Array, Float64Array, Interval]:
    """Returns (n_users,) before and after, and the mean gain with its interval."""
    before, after = (np.array(found["earned"][when][world]) for when in ("before", "after"))
    return before, after, interval(after - before)
