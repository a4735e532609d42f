"""Builds the report of a panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from llmrec_env.data.source import Source
from llmrec_env.evaluation.intervals import Interval, interval
from llmrec_env.evaluation.judge_quality import DRAWS, PolicyScores
from llmrec_env.evaluation.ope.evaluation import FEW
from llmrec_env.evaluation.policy_ranking import (
    REGRET,
    TAU,
    TAU_BETTER,
    PolicyRanking,
    policy_ranking,
)
from llmrec_env.experiments.policy_ranking.judge_report import (
    agreement_table,
    judge_rows,
    judge_table,
    order_table,
)
from llmrec_env.experiments.policy_ranking.judges import JUDGES, needed, reads_log
from llmrec_env.experiments.policy_ranking.members import MEMBERS
from llmrec_env.experiments.policy_ranking.off_policy import LOGGED_BY, SOFTENED, Found, orders
from llmrec_env.experiments.policy_ranking.settings import PolicyRankingSettings
from llmrec_env.experiments.tables import add_log, begin_report, many
from llmrec_env.experiments.verdicts import ENOUGH_USERS, shortened
from llmrec_env.reporting import Cloud, Element, Estimate, Finding, Report, Scatter, Table, Text
from llmrec_env.reporting.elements import Cell

Judged = dict[str, Any]
"""What a policy earned: "label", "kind", and by world its summary with the "returns" of users."""
_LEDE = (
    "Policies of every kind, each trained once, earn from simulated and from true users with the "
    "same luck: does the simulator put them in the true order, and what is lost by shipping the "
    "one that it likes best?"
)
_NO_TRUTH = (
    "Policies of every kind, each trained once, before several judges. Nobody knows what the users "
    "of this log would have answered, so nobody knows the true order either: what can be told is "
    "how each judge orders the policies and how far judges agree."
)
SIMULATED, TRUE = "LE", "truth"


def ranking_of(judged: Mapping[str, Judged]) -> PolicyRanking:
    """The statistics of a panel, whose policies go by their labels."""
    simulated, true = (
        {one["label"]: one["worlds"][world]["returns"] for one in judged.values()}
        for world in (SIMULATED, TRUE)
    )
    return policy_ranking(simulated, true)


def true_scores(judged: Mapping[str, Judged]) -> PolicyScores | None:
    """What the policies are worth to true users; None where nobody knows."""
    if any(TRUE not in one["worlds"] for one in judged.values()):
        return None
    return PolicyScores.of_returns([one["worlds"][TRUE]["returns"] for one in judged.values()])


def policy_rows(judged: Mapping[str, Judged]) -> list[dict[str, Any]]:
    """One row of plain values a policy, for ``policies.csv``."""
    return [
        {
            "policy": name,
            "label": one["label"],
            "kind": one["kind"],
            **{
                f"{world} {key}": value
                for world, found in one["worlds"].items()
                for key, value in found.items()
                if key != "returns"
            },
            "cpu_seconds": one["cpu_seconds"],
        }
        for name, one in judged.items()
    ]


def build_report(
    settings: PolicyRankingSettings,
    source: Source,
    judged: Mapping[str, Judged],
    estimated: Mapping[str, Found],
    scores: Mapping[str, PolicyScores],
) -> Report:
    """The report of a panel.

    Args:
        settings: of the panel.
        source: the log.
        judged: what each policy earned, by name.
        estimated: what a log of another policy told of each, if it was asked.
        scores: what each judge said of the policies.
    """
    true = true_scores(judged)
    report = begin_report(
        settings,
        source,
        f"{_LEDE if true is not None else _NO_TRUTH}{shortened(settings.budget)}",
        {"split, training and luck": settings.seed},
    )
    report.seconds.update({f"judge {name}": one["cpu_seconds"] for name, one in judged.items()})
    if true is None:
        _without_truth(report, settings, source, judged, scores)
        return report
    ranking = ranking_of(judged)
    users = next(iter(judged.values()))["worlds"][TRUE]["episodes"]
    report.section("In short").add(*_findings(ranking, users, settings.budget))
    add_log(report, source)
    section = report.section(
        "The panel",
        f"{many(users, 'test user')}, one episode each, the same with the same luck for every "
        "policy; seen items masked; reward is the user's liking of every unseen item shown.",
    )
    section.add(_table(settings, judged), _picture(judged))
    section.add(_statistics(settings, ranking), _inversions(settings, ranking))
    rows = judge_rows(scores, true, [one["label"] for one in judged.values()])
    report.section("Other judges", _judges_told(settings)).add(
        judge_table(rows, len(judged), settings.command)
    )
    if estimated:
        report.section(
            "Off-policy estimates",
            f"{MEMBERS[LOGGED_BY].label}, drawing from the softmax of its scores, was logged for "
            f"{settings.logged:,} episodes among true training users. What does that log alone "
            "tell of the others?",
        ).add(_estimators(settings, ranking, judged, estimated))
    return report


def _judges_told(settings: PolicyRankingSettings) -> str:
    told = (
        "Later takes: of the items that a policy puts first, how many the test user took later. "
        "Places of several judges are averaged."
    )
    if any(map(reads_log, map(JUDGES.__getitem__, needed(settings.judges)))):
        told += (
            f" The log is of {settings.log_size:,} episodes of {MEMBERS[LOGGED_BY].label}, drawing "
            "from the softmax of its scores, among true training users."
        )
    if settings.cross_fit:
        told += " Policies and the LE learned from one half of the training users, other judges "
        told += "from the other half."
    return told


def _without_truth(
    report: Report,
    settings: PolicyRankingSettings,
    source: Source,
    judged: Mapping[str, Judged],
    scores: Mapping[str, PolicyScores],
) -> None:
    """The sections of a panel whose true order nobody knows."""
    labels, kinds = ([one[key] for one in judged.values()] for key in ("label", "kind"))
    add_log(report, source)
    section = report.section("The panel", _judges_told(settings))
    section.add(order_table(scores, labels, kinds, settings.command))
    section.add(agreement_table(scores, settings.command))


def _estimators(
    settings: PolicyRankingSettings,
    ranking: PolicyRanking,
    judged: Mapping[str, Judged],
    estimated: Mapping[str, Found],
) -> Table:
    true = {name: one["worlds"][TRUE]["return"] for name, one in judged.items()}
    better = {name for name, one in judged.items() if one["label"] in ranking.better}
    rows = orders(estimated, true, better)
    return Table(
        "Which estimate orders the panel?",
        ["estimate", "tau, all", "tau, better half", "effective episodes", "policies"],
        [
            [row[key] for key in ("estimator", "tau", "tau_better", "effective", "estimated")]
            for row in rows
        ],
        best=["tau, all", "tau, better half"],
        note="Kendall tau of the estimates with the true returns. Estimated is each policy with "
        f"{SOFTENED:.0%} of its choices left to chance. Effective episodes: the median over "
        f"policies; below {FEW:g} an estimate is chance. One-step estimates take every step of the "
        "log for itself.",
        command=settings.command,
        digits=2,
    )


def _findings(ranking: PolicyRanking, users: int, budget: float) -> list[Element]:
    better = len(ranking.better)
    claims = [
        (
            f"The simulator orders all {len(ranking.policies)} policies as true users do "
            f"(tau of {TAU} or more)",
            ranking.tau.mean >= TAU,
            ranking.tau.high < TAU,
            f"tau {bounds(ranking.tau)}",
        ),
        (
            f"It orders the {better} better ones (tau of {TAU_BETTER} or more)",
            ranking.tau_better.mean >= TAU_BETTER,
            ranking.tau_better.high < TAU_BETTER,
            f"tau {bounds(ranking.tau_better)}",
        ),
        (
            f"Choosing by it loses {REGRET:.0%} of the best true return or less",
            ranking.regret.mean <= REGRET,
            ranking.regret.low > REGRET,
            f"it chooses {ranking.chosen}, true users like {ranking.best} best; loss "
            f"{_percent(ranking.regret)}",
        ),
    ]
    if budget < 1 or users < ENOUGH_USERS:
        why = "trainings were cut short" if budget < 1 else f"only {many(users, 'user')}"
        return [Finding(claim, None, f"{told}; {why}") for claim, _, _, told in claims]
    return [Finding(claim, holds, told, refuted) for claim, holds, refuted, told in claims]


def _table(settings: PolicyRankingSettings, judged: Mapping[str, Judged]) -> Table:
    means = {
        world: np.array([one["worlds"][world]["return"] for one in judged.values()])
        for world in (SIMULATED, TRUE)
    }
    places = {world: (-own).argsort().argsort() + 1 for world, own in means.items()}
    order = np.argsort(-means[TRUE], kind="stable")
    listed = list(judged.values())
    rows = [
        [
            listed[i]["label"],
            listed[i]["kind"],
            *(_earned(listed[i], world) for world in (SIMULATED, TRUE)),
            *(int(places[world][i]) for world in (SIMULATED, TRUE)),
        ]
        for i in order
    ]
    return Table(
        "Simulated and true return",
        ["policy", "kind", "simulated", "true", "place, simulated", "place, true"],
        rows,
        controls=[one["label"] for one in listed if one["kind"] == "simple"],
        masked=True,
        best=["simulated", "true"],
        note="Best true return first; 95% intervals over users, which all policies share, so "
        "differences are surer than the intervals look. One training seed.",
        command=settings.command,
        digits=2,
    )


def _earned(one: Judged, world: str) -> Estimate:
    return Estimate(*interval(np.array(one["worlds"][world]["returns"])))


def _picture(judged: Mapping[str, Judged]) -> Scatter:
    clouds = {}
    for kind in dict.fromkeys(one["kind"] for one in judged.values()):
        own = [one for one in judged.values() if one["kind"] == kind]
        x, y = ([one["worlds"][world]["return"] for one in own] for world in (SIMULATED, TRUE))
        clouds[kind] = Cloud(x, y, [one["label"] for one in own])
    return Scatter(
        "Simulated against true return",
        "Mean return of each policy; a simulator that ranks rightly has them on a rising line.",
        {"": clouds},
        x_label="return among simulated users",
        y_label="return among true users",
    )


def _statistics(settings: PolicyRankingSettings, ranking: PolicyRanking) -> Table:
    rows: list[list[Cell]] = [
        ["Kendall tau, all policies", Estimate(*ranking.tau), f"{TAU} or more"],
        [
            f"Kendall tau, the {len(ranking.better)} better ones",
            Estimate(*ranking.tau_better),
            f"{TAU_BETTER} or more",
        ],
        ["regret of choosing the best", Estimate(*ranking.regret), f"{REGRET} or less"],
        ["significant inversions", len(ranking.inversions), ""],
    ]
    return Table(
        "Does the simulator rank them?",
        ["statistic", "found", "goal"],
        rows,
        note=f"95% intervals of {DRAWS:,} bootstrap samples of the users, paired over worlds and "
        f"policies. Regret: the share of the true return of {ranking.best} that choosing "
        f"{ranking.chosen} loses.",
        command=settings.command,
    )


def _inversions(settings: PolicyRankingSettings, ranking: PolicyRanking) -> Element:
    if not ranking.inversions:
        return Text("No pair of policies is significantly inverted.")
    rows: list[list[Cell]] = [
        [f"{one.liked} above {one.better}", Estimate(*one.simulated), Estimate(*one.true)]
        for one in ranking.inversions
    ]
    return Table(
        "Significant inversions",
        ["said by the simulator", "difference, simulated", "difference, true"],
        rows,
        note="Pairs whose paired differences have 95% intervals above 0 among simulated and below "
        f"0 among true users. Of {len(ranking.policies)} policies some pair may stand here by "
        "chance.",
        command=settings.command,
        digits=2,
    )


def bounds(of: Interval) -> str:
    """A statistic with its interval, as text."""
    return f"{of.mean:.2f} [{of.low:.2f}, {of.high:.2f}]"


def _percent(of: Interval) -> str:
    return f"{of.mean:.1%} [{of.low:.1%}, {of.high:.1%}]"
