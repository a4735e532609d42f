"""What a report says of judges: how well each orders a panel, or how far they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmrec_env.evaluation.judge_quality import (
    DRAWS,
    PolicyScores,
    judge_quality,
    kendall_tau,
    places,
)
from llmrec_env.experiments.policy_ranking.judges import JUDGES
from llmrec_env.reporting import Estimate, Table

AGAIN = "true-again"
"""The judge above whom none can be: true users, asked a second time."""


def judge_rows(
    scores: Mapping[str, PolicyScores], true: PolicyScores, labels: Sequence[str]
) -> list[dict[str, Any]]:
    """One row of plain values a judge, for ``judges.csv``.

    Args:
        scores: what each judge said of the policies.
        true: what they are worth.
        labels: what the policies are called.
    """
    rows = []
    for name, judged in scores.items():
        found = judge_quality(judged, true)
        row: dict[str, Any] = {"judge": name, "label": JUDGES[name].label}
        for key in ("tau", "tau_better", "regret"):
            bounds = getattr(found, key)
            row |= {key: bounds.mean, f"{key}_low": bounds.low, f"{key}_high": bounds.high}
        rows.append(row | {"chosen": labels[found.chosen]})
    return rows


def judge_table(rows: Sequence[Mapping[str, Any]], policies: int, command: str) -> Table:
    """How well each judge orders a panel whose truth is known.

    Args:
        rows: of :func:`judge_rows`.
        policies: how many there are.
        command: that makes the table.
    """
    return Table(
        "Which judge orders the panel?",
        ["judge", "tau, all", "tau, better half", "regret", "chooses"],
        [
            [
                row["label"],
                *(
                    Estimate(row[key], row[f"{key}_low"], row[f"{key}_high"])
                    for key in ("tau", "tau_better", "regret")
                ),
                row["chosen"],
            ]
            for row in rows
        ],
        controls=[row["label"] for row in rows if row["judge"] == AGAIN],
        best=["tau, all", "tau, better half"],
        note=f"Kendall tau with the true order of {policies} policies, and the share of the best "
        f"true return that choosing by the judge loses; 95% intervals of {DRAWS:,} bootstrap "
        "samples of the users. True users, asked again with other luck, are what no judge can be "
        "expected to surpass.",
        command=command,
        digits=2,
    )


def agreement_table(scores: Mapping[str, PolicyScores], command: str) -> Table:
    """How far judges agree with one another, where nobody knows the truth."""
    named = {JUDGES[name].label: judged for name, judged in scores.items()}
    return Table(
        "Do judges agree?",
        ["judge", *named],
        [
            [label, *(float(kendall_tau(own.values, other.values)) for other in named.values())]
            for label, own in named.items()
        ],
        note="Kendall tau between the orders of two judges. Judges who learned from one log may "
        "agree and be wrong; where they disagree one of them is.",
        command=command,
        digits=2,
    )


def order_table(
    scores: Mapping[str, PolicyScores], labels: Sequence[str], kinds: Sequence[str], command: str
) -> Table:
    """The policies by the last judge, with the place that every judge gives them."""
    by = list(scores.values())[-1]
    ranks = [1 + len(labels) - 1 - places(judged.values) for judged in scores.values()]
    rows = [
        [labels[row], kinds[row], *(round(float(own[row]), 1) for own in ranks)]
        for row in np.argsort(-by.values, kind="stable")
    ]
    return Table(
        "The panel by its judges",
        ["policy", "kind", *(JUDGES[name].label for name in scores)],
        rows,
        note="The place that each judge gives a policy, 1 for the best; sorted by the last column.",
        command=command,
        digits=1,
    )
