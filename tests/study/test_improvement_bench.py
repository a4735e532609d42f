"""``llmrec bench improve`` on a tiny world, through real trainings and the embedded LE."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from few_users import WORLD, le_of_nobody
from typer.testing import CliRunner

pytest.importorskip("scipy")

from llmrec_env.cli import app
from llmrec_env.cli.bench.improve import improve
from llmrec_env.common.errors import SettingError
from llmrec_env.experiments.improvement import ImprovementSettings, run_improvement
from llmrec_env.experiments.improvement.settings import ARMS

TINY = ImprovementSettings(
    simulator=str(le_of_nobody()),
    arms=("mixture", "pessimism", "truth"),
    rl_steps=2,
    episodes=3,
    lucks=1,
    members=2,
    budget=0.01,
    world_size=WORLD,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    path = tmp_path_factory.mktemp("improve") / "out"
    run_improvement(TINY, path, workers=1)
    return path


def test_every_step_is_told_beside_the_recommender(folder: Path) -> None:
    table = pl.read_csv(folder / "steps.csv")
    assert table["arm"].to_list() == ["mixture"] * 2 + ["pessimism"] * 3 + ["truth"] * 3
    assert table["step"].to_list() == [0, 1, 0, 1, 2, 0, 1, 2]
    first = table.filter(pl.col("step") == 0)
    assert first["true"].n_unique() == 1
    assert (first["true_gain"] == 0).all()
    gains = table["true"] - table["true"][0]
    assert (gains - table["true_gain"]).abs().max() < 1e-9  # type: ignore[operator]
    results = json.loads((folder / "results.json").read_text())
    elements = [e for section in results["sections"] for e in section["elements"]]
    assert sum(e["@"] == "Curves" for e in elements) == 2
    assert [claim["holds"] for claim in elements if claim["@"] == "Finding"] == [None] * 5


def test_more_may_be_asked_and_what_is_there_stays(folder: Path) -> None:
    judged = folder / "judged" / "pessimism-0.json"
    kept, fitted = judged.read_bytes(), (folder / "recommenders" / "0").stat().st_mtime_ns
    judged.unlink()  # as if the run had been killed
    run_improvement(replace(TINY, arms=("pessimism", "next")), folder, workers=1)
    assert judged.read_bytes() == kept
    assert (folder / "recommenders" / "0").stat().st_mtime_ns == fitted
    assert (folder / "judged" / "next-0.json").exists()
    with pytest.raises(SettingError, match=r"weight=5\.0 instead of 1\.0"):
        run_improvement(replace(TINY, weight=1.0), folder, workers=1)


def test_the_command_line_has_the_defaults_of_the_settings() -> None:
    given = {n: option.default for n, option in inspect.signature(improve).parameters.items()}
    settings = ImprovementSettings()
    assert given.pop("arms") == ",".join(settings.arms)
    names = ("data", "simulator", "backbone", "rl_steps", "weight", "episodes", "lucks", "seeds")
    for name in (*names, "members", "pessimism", "seed", "budget"):
        assert given.get(name) == vars(settings)[name], name
    assert settings.command == "llmrec bench improve"
    result = CliRunner().invoke(app, ["bench", "improve", "--arms", "plain,hope"])
    assert result.exit_code == 1
    assert ", ".join(ARMS) in " ".join(result.output.split())
