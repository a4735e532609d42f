"""Item tokens: learned with the LM frozen, block by block."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import catalogue
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmrec_env.common.errors import LLMRecError
from llmrec_env.data.splits import Split
from llmrec_env.language import item_tokens
from llmrec_env.language.item_texts import mean_outputs
from llmrec_env.language.item_tokens import ItemTokenConfig, learn_item_tokens, pooled_tokens
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.projection import Projection

pytestmark = pytest.mark.core
CONFIG = ItemTokenConfig(steps=2, block=16, max_tokens=16)
Base = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def base(base_folder: Path) -> Base:
    """The small base model and its tokenizer."""
    return load_base_model(base_folder)


def test_learning_lowers_the_loss_and_leaves_the_model_alone(split: Split, base: Base) -> None:
    model, tokenizer = base
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tokens, nll = learn_item_tokens(split.train.catalogue, model, tokenizer, CONFIG)
    assert tokens.shape == (60, model.config.hidden_size)
    assert nll["after"] < nll["before"]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_same_texts_get_the_same_tokens_and_no_two_items_one(split: Split, base: Base) -> None:
    model, tokenizer = base
    half = split.train.catalogue.take(range(30))
    config = replace(CONFIG, steps=4)
    alone, _ = learn_item_tokens(half, model, tokenizer, config)
    again, _ = learn_item_tokens(half, model, tokenizer, config)
    assert torch.equal(alone, again)
    assert len(torch.unique(alone, dim=0)) == 30


def test_a_killed_run_goes_on_at_the_next_block(
    split: Split, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = split.train.catalogue
    whole, nll = learn_item_tokens(catalogue, *base, CONFIG)
    learn_block, calls = item_tokens._learn_block, []

    def killed_in_the_third(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return learn_block(*arguments)

    monkeypatch.setattr(item_tokens, "_learn_block", killed_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        learn_item_tokens(catalogue, *base, CONFIG, folder=tmp_path)
    resumed, resumed_nll = learn_item_tokens(catalogue, *base, CONFIG, folder=tmp_path)
    assert len(calls) == 5  # four blocks of sixteen, one of them begun twice
    assert torch.equal(resumed, whole)
    assert resumed_nll == nll


def test_tokens_of_other_texts_are_not_taken_for_ones_own(
    split: Split, base: Base, tmp_path: Path
) -> None:
    catalogue = split.train.catalogue
    learn_item_tokens(catalogue, *base, CONFIG, folder=tmp_path)
    with pytest.raises(LLMRecError, match="item tokens of another run"):
        learn_item_tokens(catalogue.take(range(59, -1, -1)), *base, CONFIG, folder=tmp_path)
    with pytest.raises(LLMRecError, match="item tokens of another run"):
        learn_item_tokens(catalogue, *base, replace(CONFIG, steps=3), folder=tmp_path)


def test_tokens_learned_on_one_device_are_found_on_another(
    split: Split, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned, _ = learn_item_tokens(split.train.catalogue, *base, CONFIG, folder=tmp_path)

    def summed_in_another_order(*arguments: Any) -> torch.Tensor:
        return pooled_tokens(*arguments) * (1 + 1e-6)

    monkeypatch.setattr(item_tokens, "pooled_tokens", summed_in_another_order)
    found, _ = learn_item_tokens(split.train.catalogue, *base, CONFIG, folder=tmp_path)
    assert torch.equal(found, learned)


def test_items_begin_as_the_mean_of_their_words(base: Base) -> None:
    model, tokenizer = base
    items = catalogue(6)
    pooled = pooled_tokens(items, model, tokenizer)
    table = model.get_input_embeddings().weight
    rows = [set(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in items.sentences]
    shared = set.intersection(*rows)  # in every text, so it weighs next to nothing
    assert shared
    for row, vector in zip(rows, pooled, strict=True):
        own = table[sorted(row - shared)].detach()
        inside = (vector >= own.min(0).values - 0.05) & (vector <= own.max(0).values + 0.05)
        assert inside.float().mean() > 0.9


def test_features_are_unit_vectors_that_tell_items_apart(split: Split, base: Base) -> None:
    outputs = mean_outputs(split.train.catalogue, *base, max_tokens=16)
    features = Projection.of(outputs, 8)(outputs)
    assert features.shape == (60, 8)
    assert torch.allclose(features.norm(dim=1), torch.ones(60), atol=1e-5)
    closeness = (features @ features.T).fill_diagonal_(-1)
    assert float(closeness.max()) < 1 - 1e-4


def test_semi_whitening_takes_each_scale_to_its_root() -> None:
    rng = np.random.default_rng(0)
    vectors = torch.tensor(rng.normal(size=(500, 3)) * [9.0, 4.0, 1.0], dtype=torch.float32)
    white = Projection.of(vectors, 2)(vectors)
    assert white.shape == (500, 2)
    assert torch.allclose(white.norm(dim=1), torch.ones(500), atol=1e-5)
    # before the rows are made unit, variances 81 : 16 become standard deviations 3 : 2
    ratio = float(white[:, 0].square().sum() / white[:, 1].square().sum())
    assert 1.0 < ratio < 81 / 16
    assert Projection.of(vectors, 10)(vectors).shape == (500, 3)
