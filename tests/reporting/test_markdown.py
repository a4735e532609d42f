"""A report as Markdown."""

from __future__ import annotations

import pytest

from llmrec_env.reporting import Estimate, Facts, Finding, Report, Table
from llmrec_env.reporting.markdown import report_markdown

pytestmark = pytest.mark.core


def test_tables_findings_and_facts_are_there_and_data_bring_no_markup() -> None:
    report = Report(title="A *bold* run", command="llmrec demo")
    rows = [["<b>x</b> | y", Estimate(0.5, sd=0.1)], ["plain", 0.25]]
    table = Table("Result", ["run", "NDCG"], rows, controls=["plain"], best=["NDCG"], masked=True)
    report.section("Found").add(Finding("It works", True, "by 2"), table, Facts({"users": 1234}))
    lines = report_markdown(report).splitlines()
    assert lines[0] == "# A \\*bold\\* run"
    assert "$ llmrec demo" in lines
    assert "✓ **It works** by 2" in lines
    start = lines.index("| run | NDCG |")
    assert lines[start + 1 : start + 4] == [
        "| --- | ---: |",
        "| \\<b\\>x\\</b\\> \\| y | **0.500 ± 0.100** |",
        "| plain (control) | 0.250 |",
    ]
    assert "Seen items masked: yes." in lines
    assert "| users | 1,234 |" in lines
