"""A small language model from the shop's own pages, where no checkpoint is at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.shop.causal_lm import CausalLMConfig, CausalLMPolicy
from agents.shop.shop_pool import ShopObservation
from llmrec_env.envs.shop.catalogue.products import ProductCatalogue
from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model_of

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def page_texts() -> Callable[..., list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import shop_pretraining

        return shop_pretraining.page_texts


@pytest.fixture
def settings(small_catalogue: ProductCatalogue) -> dict[str, Any]:
    return {"catalogue": small_catalogue, "split": "train"}


def test_walks_tell_of_pages_and_of_all_that_can_be_said(
    settings: dict[str, Any], page_texts: Callable[..., list[str]]
) -> None:
    texts = page_texts(settings, range(8), words=5)
    assert texts == page_texts(settings, range(8), words=5)
    assert texts != page_texts(settings, range(8), words=5, seed=1)
    for text in texts:
        first, *lines = text.split("\n")
        assert first.startswith("Instruction: ")
        assert lines[-2] == "Action:"
        assert lines[-1].startswith(("search[", "click["))
        assert all(len(line.split(" ")) <= 5 for line in lines[:-1])
    said = {text.split("\n")[-1] for text in texts}
    assert "click[buy now]" not in said
    assert len(said) > 10


def test_a_base_model_of_pages_serves_the_policy(
    settings: dict[str, Any],
    page_texts: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path))
    small = SmallModelConfig(
        hidden_size=16,
        layers=1,
        heads=2,
        kv_heads=1,
        intermediate_size=16,
        vocabulary=400,
        max_tokens=32,
        min_steps=4,
        max_steps=4,
    )
    folder = small_base_model_of(page_texts(settings, range(2)), small)
    policy = CausalLMPolicy(folder, CausalLMConfig(prompt_tokens=64, action_tokens=16, rank=2))
    observation = ShopObservation(
        "Instruction:\na red hat\n[button] Buy Now [button_]", ("click[buy now]", "x"), 0
    )
    with torch.no_grad():
        log_probs, values = policy([observation])
    assert float(log_probs.exp().sum()) == pytest.approx(1.0)
    assert values.shape == (1,)
