"""``llmrec demo`` and ``llmrec rerun``: real runs, made short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run

from llmrec_env.experiments.demo import DemoSettings, run_demo
from llmrec_env.reporting import Estimate, Facts, Finding, Transcript

pytest.importorskip("d3rlpy")
pytest.importorskip("stable_baselines3")
pytestmark = pytest.mark.slow


def test_the_demo_goes_from_a_log_to_its_report_and_repeats_nothing(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = ("demo", "--data", str(data), "--out", str(out), "--budget", "0.01")
    printed = run(*command)
    for title in ("Held-out users", "Return", "d3rlpy, logged and augmented", "Next-item ranking"):
        assert title in printed
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "LEASR" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    settings = json.loads((out / "config.json").read_text())["settings"]
    assert settings["budget"] == 0.01
    stages = {path: path.stat().st_mtime_ns for path in (out / "stages").glob("*.json")}
    assert len(stages) == 16
    assert "Next-item ranking" in run(*command)
    assert {path: path.stat().st_mtime_ns for path in stages} == stages


def test_on_a_generated_world_the_truth_judges_and_a_rerun_finds_the_same(tmp_path: Path) -> None:
    settings = DemoSettings(budget=0.01, world_size=(60, 60), backbones=("gru4rec",))
    report = run_demo(settings, tmp_path / "first", workers=1)
    assert report.table("Agreement with the true preference").rows
    findings = [e for e in report.sections[0].elements if isinstance(e, Finding)]
    assert {finding.holds for finding in findings} == {None}  # nothing is settled by 1%
    assert all("1% of their usual length" in finding.evidence for finding in findings)
    assert "1% of their usual length" in report.lede
    for title in ("Held-out users", "Next-item ranking", "Next-item ranking, masked"):
        table = report.table(title)
        assert "steps of" in table.note
        assert any(isinstance(cell, Estimate) for cell in table.rows[0])
    for title in ("Next-item ranking", "Next-item ranking, masked"):
        rows = {row[0] for row in report.table(title).rows}
        assert rows >= {"gru4rec plain", "gru4rec plain and LE in service"}
    assert any("Beside the LE in service, gru4rec ranks" in one.claim for one in findings)
    policies = {row[0] for row in report.table("Return").rows}
    assert policies >= {"LE's own choice", "PPO", "gru4rec plain", "gru4rec LEASR"}
    assert "improved by RL among simulated users" in findings[0].claim  # what RL is worth, first
    gains = {row[0]: row for row in report.table("gru4rec, before and after").rows}
    assert set(gains) == {"the TRUE users", "the simulated users"}
    for _, before, after, gain in gains.values():
        assert after.mean - before.mean == pytest.approx(gain.mean)
    played = [e for s in report.sections for e in s.elements if isinstance(e, Transcript)]
    assert all(0 < turn.probability < 1 for turn in played[0].turns)
    facts = report.sections[1].elements[0]
    assert isinstance(facts, Facts)
    assert facts.values["order of a user's interactions"] == "by their times"
    assert facts.values["takes of an item that the user took before"] == "0.0%"
    users = {row[1] for row in report.table("Return").rows}
    assert users == {"LE", "truth"}
    run("rerun", str(tmp_path / "first"), "--out", str(tmp_path / "second"), "--workers", "1")
    first, second = ((tmp_path / name / "results.json") for name in ("first", "second"))
    assert without_seconds(first) == without_seconds(second)


def without_seconds(path: Path) -> str:
    """The results as text, less the columns that hold durations."""
    sections = json.loads(path.read_text(encoding="utf-8"))["sections"]
    for section in sections:
        for element in section["elements"]:
            if "seconds" in element.get("columns", []):
                element["rows"] = [row[:-1] for row in element["rows"]]
    return json.dumps(sections)
