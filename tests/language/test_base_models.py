"""Base models: pretrained on the catalogue's texts once, or loaded from a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from tiny_models import SMALL, catalogue

from llmrec_env.common.errors import DataError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.item_tokens import ItemTokenConfig, learn_item_tokens
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.small_model import small_base_model
from llmrec_env.language.lm.tokenization import padded, token_rows

pytestmark = pytest.mark.core


def test_a_small_model_is_made_once_for_each_content(cache: Path) -> None:
    folder = small_base_model(catalogue(), SMALL)
    assert cache in folder.parents
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert small_base_model(catalogue(), SMALL) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert small_base_model(catalogue(20), SMALL) != folder
    assert small_base_model(catalogue(), replace(SMALL, seed=1)) != folder


def test_nothing_is_left_beside_the_finished_model(cache: Path) -> None:
    folder = small_base_model(catalogue(), SMALL)
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []
    assert not list(folder.parent.glob("*.checkpoint"))


def test_the_small_model_has_learned_the_texts(cache: Path) -> None:
    short = replace(SMALL, min_steps=2, max_steps=2)
    long = replace(SMALL, min_steps=40, max_steps=40)
    losses = [_loss_of_texts(small_base_model(catalogue(), config)) for config in (short, long)]
    assert losses[1] < losses[0]


def test_the_same_seed_makes_the_same_small_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for name in ("first", "second"):
        monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / name))
        torch.manual_seed(len(name))
        files.append(small_base_model(catalogue(), SMALL) / "model.safetensors")
    assert files[0].read_bytes() == files[1].read_bytes()


def test_one_text_is_enough(cache: Path) -> None:
    one = Catalogue(pl.DataFrame({"item_id": ["a", "b"], "title": ["a lonely title", None]}))
    assert (small_base_model(one, SMALL) / "model.safetensors").exists()


def test_a_catalogue_without_text_cannot_teach_a_language_model() -> None:
    bare = Catalogue(pl.DataFrame({"item_id": ["a", "b"]}))
    with pytest.raises(DataError, match="the catalogue has no item text"):
        small_base_model(bare, SMALL)


def test_a_published_checkpoint_learns_item_tokens(shared_models: Path) -> None:
    folder = shared_models / "stories260k"
    if not folder.is_dir():
        pytest.skip("../shared/models/stories260k is absent")
    model, tokenizer = load_base_model(folder)
    settings = ItemTokenConfig(steps=3, max_tokens=16)
    tokens, nll = learn_item_tokens(catalogue(6), model, tokenizer, settings)
    assert tokens.shape == (6, model.config.hidden_size)
    assert nll["after"] < nll["before"]


def _loss_of_texts(folder: Path) -> float:
    model, tokenizer = load_base_model(folder)
    ids, real = padded(token_rows(catalogue().sentences, tokenizer, 24))
    return float(model(input_ids=ids, labels=ids.masked_fill(~real, -100)).loss.detach())
