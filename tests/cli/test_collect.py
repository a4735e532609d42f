"""``llmrec collect``, as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run, runner

from llmrec_env.cli import app
from llmrec_env.offline.collected import CollectedLog

TRUE = ("--simulator", "true-taste:uniform", "--episodes", "30", "--max-episode-steps", "4")


def refused(*arguments: str) -> str:
    result = runner.invoke(app, ["collect", *arguments])
    assert result.exit_code == 1, result.output
    return " ".join(result.output.split())


def test_a_log_is_collected_and_the_same_command_has_nothing_left_to_do(tmp_path: Path) -> None:
    command = ("collect", *TRUE, "--policy", "popular", "--out", str(tmp_path / "log"))
    assert "popular, epsilon 0.1" in run(*command)
    log = CollectedLog.load(tmp_path / "log")
    assert log.n_episodes == 30
    assert log.about["environment"]["kwargs"]["simulator"] == "true-taste:uniform"
    assert (log.propensities >= 0.1 / 800).all()
    before = (tmp_path / "log" / "steps.parquet").stat().st_mtime_ns
    run(*command)
    assert (tmp_path / "log" / "steps.parquet").stat().st_mtime_ns == before
    assert "of other data or settings" in refused(*command[1:], "--seed", "1")


def test_a_saved_ppo_collects_by_its_own_distribution(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    pytest.importorskip("sb3_contrib")
    from sb3_contrib import MaskablePPO

    from llmrec_env import make_vec_env

    venv = make_vec_env(2, id="LLMRec/NextItem-v1", simulator="true-taste:uniform")
    MaskablePPO("MlpPolicy", venv, n_steps=4, batch_size=8, seed=0).save(tmp_path / "model.zip")
    options = ("--policy", str(tmp_path / "model.zip"), "--temperature", "1")
    out = run("collect", *TRUE, *options, "--out", str(tmp_path / "log"))
    assert "MaskablePPO, softmax at temperature 1" in out
    propensities = CollectedLog.load(tmp_path / "log").propensities
    assert 0 < propensities.std() < 0.01


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--policy", "nobody"), "no such file or folder; expected random, popular, own"),
        (("--users", "everybody"), "--users is train, validation, test"),
    ],
)
def test_what_cannot_be_is_refused(options: tuple[str, ...], words: str, tmp_path: Path) -> None:
    assert words in refused(*TRUE, *options, "--out", str(tmp_path / "log"))
    assert not (tmp_path / "log").exists()
