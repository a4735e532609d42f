"""``llmrec fit`` of a large model says what it will take, and does not begin a long one unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run, runner

from llmrec_env.cli import app, confirming
from llmrec_env.language import fitting
from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model_of

TINY = SmallModelConfig(16, 2, 2, 1, 24, 300, 24, min_steps=0, max_steps=0)


def test_a_long_fit_needs_a_yes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = small_base_model_of(["a red chair", "a blue lamp"], TINY)
    le = tmp_path / "le"
    command = ["fit", "--data", str(data), "--out", str(le), "--base-model", str(base)]
    command += ["--epochs", "1", "--min-steps", "2", "--layers", "1", "--lora-modules", "q_proj"]
    monkeypatch.setattr(fitting, "LARGE_LM", 1)
    monkeypatch.setattr(confirming, "LONG", 0)
    refused = runner.invoke(app, command)
    assert refused.exit_code == 1
    assert "item tokens (6 steps): " in refused.output
    assert "continue with --yes" in " ".join(refused.output.split())
    assert not le.exists()
    assert "learned" in run(*command, "--yes")
    assert (le / "heads.safetensors").exists()
    unknown = [*command[:-1], "query", "--yes"]
    unknown[4] = str(tmp_path / "other")
    assert "has no 'query'" in " ".join(runner.invoke(app, unknown).output.split())
