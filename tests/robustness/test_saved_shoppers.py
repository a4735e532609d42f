"""Saved shopping policies: a damaged folder is refused, or holds the policy that was saved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from damages import damages

pytest.importorskip("bm25s")
from agents.shop.compact import CompactConfig, CompactPolicy
from llmrec_env.common.errors import LLMRecError

pytestmark = pytest.mark.core


def test_a_damaged_shopper_is_refused_or_is_the_same(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    CompactPolicy(CompactConfig()).save(saved)
    right = CompactPolicy.load(saved).state_dict()
    refused = []
    for name, _, damage in damages(saved):
        folder = shutil.copytree(saved, tmp_path / "damaged")
        damage(folder)
        try:
            found = CompactPolicy.load(folder).state_dict()
            assert all(torch.equal(found[key], right[key]) for key in right), name
        except LLMRecError as error:
            refused.append(str(error))
        shutil.rmtree(folder)
    assert len(refused) > 20
    assert all(str(folder) in text and "\n" not in text for text in refused)
