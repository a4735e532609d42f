"""What a report claims stands on intervals and on enough users; a log is told with its order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmrec_env.data.reading import Reading
from llmrec_env.data.source import open_source
from llmrec_env.evaluation.intervals import clustered, interval, of_sums
from llmrec_env.experiments.demo import DemoSettings
from llmrec_env.experiments.tables import add_log, begin_report
from llmrec_env.experiments.verdicts import shortened, verdict
from llmrec_env.reporting import Facts, Text, Transcript, Turn
from llmrec_env.reporting.markdown import report_markdown

pytestmark = pytest.mark.core
SURE, OPEN, WORSE = (0.2, 0.1, 0.3), (0.2, -0.1, 0.5), (-0.2, -0.3, -0.1)


@pytest.mark.parametrize(
    ("differences", "users", "budget", "holds", "refuted"),
    [
        ([SURE], 200, 1.0, True, False),
        ([SURE, OPEN], 200, 1.0, False, False),
        ([SURE, WORSE], 200, 1.0, False, True),
        ([SURE], 29, 1.0, None, False),  # no tick stands on 29 users
        ([SURE], 200, 0.5, None, False),  # nor on trainings that were cut short
        ([WORSE], 200, 0.5, None, False),
    ],
)
def test_intervals_and_counts_decide(
    differences: list[tuple[float, float, float]],
    users: int,
    budget: float,
    holds: bool | None,
    refuted: bool,
) -> None:
    found = verdict("it is better", "by .2", differences, users, budget)
    assert (found.holds, found.refuted) == (holds, refuted)
    assert f"{users} users" in found.evidence
    assert ("usual length" in found.evidence) == (budget < 1)


def test_a_short_run_is_marked() -> None:
    assert shortened(1.0) == shortened(2.0) == ""
    assert "5% of their usual length" in shortened(0.05)


def test_steps_of_one_user_go_together() -> None:
    rng = np.random.default_rng(0)
    values, owners = rng.random(40), np.arange(40)
    assert clustered(values, owners) == pytest.approx(interval(values))
    few = clustered(np.repeat(values[:4], 100), np.repeat(np.arange(4), 100))
    assert few == pytest.approx(interval(values[:4]))  # a hundred times as many steps, no surer
    sums = np.bincount(owners % 7, weights=values)
    steps = np.bincount(owners % 7)
    assert of_sums(sums, steps) == pytest.approx(clustered(values, owners % 7))
    assert clustered(values, np.zeros(40, dtype=np.int64)).low == -np.inf


def test_a_report_says_how_its_log_was_read() -> None:
    source = open_source(None, 0, (40, 40))
    reading = Reading("plain", order="unknown", ratings="ratings are kept", notes=("a note",))
    source = replace(source, log=replace(source.log, reading=reading))
    report = begin_report(DemoSettings(), source, "", {})
    add_log(report, source)
    facts, *lines = report.sections[0].elements
    assert isinstance(facts, Facts)
    assert facts.values["order of a user's interactions"] == "UNKNOWN"
    lengths = np.quantile(source.log.lengths, [0.05, 0.25, 0.5, 0.75, 0.95]).round().astype(int)
    told = facts.values["interactions a user, 5 / 25 / 50 / 75 / 95%"]
    assert told == " / ".join(map(str, lengths))
    assert [line.text for line in lines if isinstance(line, Text)][1:] == reading.lines


def test_a_transcript_says_why_what_is_liked_is_skipped() -> None:
    report = begin_report(DemoSettings(), open_source(None, 0, (40, 40)), "", {})
    turns = [Turn("lamp", 0.87, False, probability=0.25), Turn("chair", 0.5, True)]
    report.section("Episode").add(Transcript("One episode", "ann", ["table"], turns))
    assert "| lamp | 0.870 | 0.250 | no |" in report_markdown(report)
    assert "| chair | 0.500 | – | yes |" in report_markdown(report)
