"""Paired comparisons of a study's rows, and the findings that follow: shown, open or refuted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from llmrec_env.experiments.study.methods import PLAIN, Method
from llmrec_env.experiments.study.runs import row_name
from llmrec_env.experiments.study.settings import StudySettings
from llmrec_env.experiments.study.statistics import Difference, holm, paired_difference
from llmrec_env.reporting import Finding

BEST_CONTROL = "the best control"
BEST_WITHOUT_TEXT = "the best control without text"
FRAMEWORK = "its framework"
ITEM_KNN = "item-kNN"
BASIS = "what it builds on"
BUILDS_ON = {
    "LE-initialised": "text-initialised",
    "LES": "LES of frozen text",
    "soft targets": "frozen text targets",
    **dict.fromkeys(
        (
            *("LE 10% targets", "LE 30% targets", "LE of titles targets", "LE pooled targets"),
            *("LE without ids targets", "LE without LM targets"),
            *("top-1 target", "LE and item-kNN targets", "LEASR"),
        ),
        "soft targets",
    ),
    "LE unpretrained targets": "LE pooled targets",
    "text without LM targets": "LE without ids targets",
    "bag of items targets": "LE without LM targets",
    "LEASR with item-kNN": "LE and item-kNN targets",
    "plain and LE in service": "soft targets",
}
"""The row from which a method differs least: it lacks a part of it, or has one in another form."""
CLAIMED = (PLAIN, FRAMEWORK, BEST_CONTROL, BEST_WITHOUT_TEXT)
"""What a row that learns from a simulated user should beat."""
LIMIT = 0.05


@dataclass(frozen=True)
class Comparison:
    """Rows against a reference on the same backbone.

    Attributes:
        reference: what they are held against.
        rows: by name of the row: the other row's name, the difference, its corrected p-value.
    """

    reference: str
    rows: Mapping[str, tuple[str, Difference, float]]


def compare(
    settings: StudySettings, users: Mapping[str, pl.DataFrame], validation: Mapping[str, float]
) -> list[Comparison]:
    """All comparisons of a study that its methods allow.

    Args:
        settings: of the study.
        users: per-user test metrics by row.
        validation: mean validation NDCG@10 by row; it chooses the best control.
    """
    found = []
    known: list[list[tuple[str, str]]] = []
    for reference in (*CLAIMED, ITEM_KNN, BASIS):
        pairs = [
            (ours, theirs)
            for backbone in settings.backbones
            for ours, theirs in _pairs(settings, backbone, reference, validation)
        ]
        if pairs in known:
            continue  # the best control knows no text
        known.append(pairs)
        differences = [paired_difference(users[a], users[b]) for a, b in pairs]
        corrected = holm([difference.p for difference in differences])
        rows = {
            ours: (theirs, difference, p)
            for (ours, theirs), difference, p in zip(pairs, differences, corrected, strict=True)
        }
        if rows:
            found.append(Comparison(reference, rows))
    return found


def findings(comparisons: Sequence[Comparison], settings: StudySettings) -> list[Finding]:
    """For each row that learns from a simulated user: what it beats, and what it does not."""
    claims = []
    for backbone in settings.backbones:
        for method in settings.compared:
            if method.role != "language":
                continue
            name = row_name(method.name, backbone)
            held = {
                c.reference: c.rows[name]
                for c in comparisons
                if c.reference in CLAIMED and name in c.rows
            }
            for verdict in ("beaten", "open", "better"):
                shown = {
                    reference: f"{other}: {d.mean:+.4f} [{d.low:+.4f}, {d.high:+.4f}], "
                    f"p {p_text(p)}, {d.agreeing} of {len(d.splits)} splits"
                    for reference, (other, d, p) in held.items()
                    if _verdict(d, p) == verdict
                }
                if shown:
                    claims.append(
                        Finding(
                            f"{name} ranks better than {_listed(list(shown))}",
                            verdict == "beaten",
                            f"test NDCG@10 above {'; '.join(shown.values())} (95% intervals over "
                            "users, Holm's p)",
                            refuted=verdict == "better",
                        )
                    )
    return claims


def _verdict(difference: Difference, p: float) -> str:
    """What the other row is: surely "beaten", surely "better", or neither, "open"."""
    if p >= LIMIT or difference.low <= 0 <= difference.high:
        return "open"
    return "beaten" if difference.low > 0 else "better"


def p_text(value: float) -> str:
    """A p-value as a person reads it."""
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def _pairs(
    settings: StudySettings, backbone: str, reference: str, validation: Mapping[str, float]
) -> list[tuple[str, str]]:
    """Names of the rows to compare on one backbone."""
    pairs = []
    for method in settings.compared:
        other = _other(method, settings, backbone, reference, validation)
        if other is not None:
            pairs.append((row_name(method.name, backbone), other))
    return pairs


def _other(
    method: Method,
    settings: StudySettings,
    backbone: str,
    reference: str,
    validation: Mapping[str, float],
) -> str | None:
    if reference in (BEST_CONTROL, BEST_WITHOUT_TEXT):
        if method.role != "language":
            return None
        # What serves alone is not held against ensembles.
        known = [
            row_name(other.name, backbone)
            for other in settings.compared
            if other.role == "control"
            and not (other.fused_with is not None and method.fused_with is None)
            and not (reference == BEST_WITHOUT_TEXT and other.reads_text)
        ]
        return max([ITEM_KNN, "popularity", *known], key=validation.__getitem__)
    if reference == ITEM_KNN:
        return ITEM_KNN
    if reference == BASIS:
        basis = BUILDS_ON.get(method.name)
        return None if basis not in settings.methods else row_name(basis, backbone)
    wanted = PLAIN if reference == PLAIN else method.framework
    if reference == FRAMEWORK and wanted == PLAIN:
        return None  # the comparison with plain says it already
    if wanted is None or wanted == method.name or wanted not in settings.methods:
        return None
    return row_name(wanted, backbone)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
