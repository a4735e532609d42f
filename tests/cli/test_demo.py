"""``llmrec demo`` and ``llmrec rerun``: real runs, made short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run

from llmrec_env.experiments.demo import DemoSettings, run_demo

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
    assert len(stages) == 13
    assert "Next-item ranking" in run(*command)
    assert {path: path.stat().st_mtime_ns for path in stages} == stages


def test_on_a_generated_world_the_truth_judges_and_a_rerun_finds_the_same(tmp_path: Path) -> None:
    settings = DemoSettings(budget=0.01, world_size=(60, 60), backbones=("gru4rec",))
    report = run_demo(settings, tmp_path / "first", workers=1)
    assert report.table("Agreement with the true preference").rows
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
