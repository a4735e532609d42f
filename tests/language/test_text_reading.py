"""What a base model makes of item texts: of which layer, and read once for whatever is fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import TINY, catalogue

from llmrec_env.common.errors import SettingError
from llmrec_env.data.splits import Split
from llmrec_env.language import fit_config, item_texts
from llmrec_env.language.fitting import untrained_language_environment
from llmrec_env.language.item_texts import mean_outputs, start_token
from llmrec_env.language.item_tokens import ItemTokenConfig, block_size
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model
from llmrec_env.language.lm.tokenization import token_rows

pytestmark = pytest.mark.core
TWO_LAYERS = SmallModelConfig(16, 2, 2, 1, 24, 300, 24, min_steps=2, max_steps=2, batch_size=8)


def test_a_layers_features_are_its_mean_outputs_after_the_start_token(cache: Path) -> None:
    model, tokenizer = load_base_model(small_base_model(catalogue(), TWO_LAYERS))
    means = mean_outputs(catalogue(), model, tokenizer, layer=1)
    rows = token_rows(catalogue().sentences, tokenizer, 64)
    for row, mean in zip(rows, means, strict=True):
        ids = torch.tensor([start_token(tokenizer) + row])
        with torch.no_grad():
            between = model.model(ids, output_hidden_states=True).hidden_states[1]
        assert torch.allclose(between[0, 1:].mean(0), mean, atol=1e-5)
    with pytest.raises(SettingError, match="text_layer is 3, and the base model has layers 1 to 2"):
        mean_outputs(catalogue(), model, tokenizer, layer=3)


def test_texts_are_read_once_whatever_is_fitted_after(
    split: Split, base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path))
    first = untrained_language_environment(split.train, base_folder, TINY)

    def read(*arguments: object) -> None:
        raise AssertionError("the texts were read again")

    monkeypatch.setattr(item_texts, "_read", read)
    monkeypatch.setattr("llmrec_env.language.item_tokens._learn_block", read)
    other = replace(TINY, model=replace(TINY.model, lora_rank=1, state_size=8))
    second = untrained_language_environment(split.train, base_folder, other)
    assert torch.equal(first.item_tokens, second.item_tokens)
    for changed in (
        replace(TINY, text_layer=1),
        replace(TINY, item_tokens=replace(TINY.item_tokens, steps=1)),
    ):
        with pytest.raises(AssertionError, match="read again"):
            untrained_language_environment(split.train, base_folder, changed)


def test_large_models_pool_words_unless_told_otherwise(
    split: Split, base_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = untrained_language_environment(split.train, base_folder, TINY)
    assert small.record["fit_config"]["items"] == "text"
    assert small.record["item_tokens"]["steps"] == TINY.item_tokens.steps
    monkeypatch.setattr(fit_config, "LARGE_LM", 1000)
    large = untrained_language_environment(split.train, base_folder, TINY)
    assert large.record["fit_config"]["items"] == "pooled"
    assert "item_tokens" not in large.record
    asked = untrained_language_environment(split.train, base_folder, replace(TINY, items="text"))
    assert torch.equal(asked.item_tokens, small.item_tokens)


def test_fewer_items_are_learned_at_once_where_the_vocabulary_is_large(base_folder: Path) -> None:
    model, _ = load_base_model(base_folder)
    short, long = [[1, 2, 3]] * 9, [[1] * 60_000] * 9
    assert block_size(short, model, ItemTokenConfig()) == 256
    assert block_size(long, model, ItemTokenConfig()) < 9
