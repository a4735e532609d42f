"""What a fit will take is told before it begins, and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import TINY

from llmrec_env.common.errors import SettingError
from llmrec_env.data.splits import Split
from llmrec_env.language import fitting
from llmrec_env.language.estimate import FitEstimate
from llmrec_env.language.fitting import estimate_fit, fit_language_environment

pytestmark = pytest.mark.core


def test_an_estimate_is_one_line() -> None:
    long = FitEstimate(30.0, 720.0, 2100.0, 3_100_000_000, steps=6)
    told = "item texts: 30 s, item tokens (6 steps): 12 min, learning: 35 min, 3.1 GB"
    assert str(long) == told
    assert str(FitEstimate(0, 0, 7200, 0)).endswith("item tokens (pooled): 0 s, learning: 2.0 h")


def test_every_stage_is_timed(
    split: Split, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path))
    sets = split.train, split.validation, base_folder
    learned = estimate_fit(*sets, TINY)
    assert learned.steps == TINY.item_tokens.steps
    assert min(learned.texts, learned.tokens, learned.learning, learned.memory) > 0
    fit_language_environment(*sets, TINY)
    pooled = estimate_fit(*sets, replace(TINY, items="pooled"))
    assert (pooled.texts, pooled.tokens, pooled.steps) == (0, 0, 0)  # the texts have been read
    longer = replace(TINY.learning, min_steps=100 * TINY.learning.min_steps)
    assert estimate_fit(*sets, replace(TINY, learning=longer)).learning > 5 * learned.learning


def test_a_large_model_tells_first_and_can_be_stopped(
    split: Split, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = split.train, split.validation, base_folder
    told: list[FitEstimate] = []
    plain = fit_language_environment(*sets, TINY, confirm=told.append)
    assert told == []  # a small one is not even timed
    monkeypatch.setattr(fitting, "LARGE_LM", 1)
    timed = fit_language_environment(*sets, TINY, confirm=told.append)
    assert len(told) == 1
    for (name, ours), theirs in zip(plain.named_parameters(), timed.parameters(), strict=True):
        assert torch.equal(ours, theirs), name

    def refuse(estimate: FitEstimate) -> None:
        raise SettingError(str(estimate))

    with pytest.raises(SettingError, match="item texts: "):
        fit_language_environment(*sets, TINY, confirm=refuse)
