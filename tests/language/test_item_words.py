"""The words of the items: weighed by tf-idf, and a correction that begins at nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tiny_models import catalogue
from torch.nn.functional import normalize

from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.item_words import ItemWords
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.model import LanguageEnvironment

pytestmark = pytest.mark.core


def dense(words: ItemWords, n_items: int) -> np.ndarray:
    """One row an item, one column a word."""
    table = np.zeros((n_items, words.size))
    ends = [*words.offsets[1:].tolist(), len(words.ids)]
    for item, (first, last) in enumerate(zip(words.offsets.tolist(), ends, strict=True)):
        table[item, words.ids[first:last]] = words.weights[first:last]
    return table


def test_rare_words_weigh_more_and_an_item_has_length_one(base_folder: Path) -> None:
    _, tokenizer = load_base_model(base_folder)
    table = dense(ItemWords.of(catalogue(), tokenizer), len(catalogue()))
    assert np.linalg.norm(table, axis=1) == pytest.approx(np.ones(len(catalogue())), abs=1e-5)
    occurrences = (table > 0).sum(0)
    for row in table:
        present = np.flatnonzero(row)
        rarest = present[occurrences[present].argmin()]
        commonest = present[occurrences[present].argmax()]
        assert row[rarest] > row[commonest]
    assert len(np.unique(table.round(6), axis=0)) == len(catalogue())


def test_items_without_text_have_no_words(base_folder: Path) -> None:
    _, tokenizer = load_base_model(base_folder)
    titles = ["", "red thing", "", "old thing", ""]
    items = Catalogue(pl.DataFrame({"item_id": list("abcde"), "title": titles}))
    table = dense(ItemWords.of(items, tokenizer), 5)
    assert np.isfinite(table).all()
    assert (table[[0, 2, 4]] == table[0]).all()
    none = ItemWords.none(5)
    assert none.size == 0
    assert dense(none, 5).shape == (5, 0)


def test_before_learning_the_items_are_what_their_texts_say(untrained: LanguageEnvironment) -> None:
    tables = untrained.tables()
    assert torch.equal(tables.tokens, untrained.item_tokens)
    assert torch.allclose(tables.features, untrained.item_features, atol=1e-6)
    assert torch.allclose(tables.vectors, untrained.item_features, atol=1e-6)


def test_a_learned_word_moves_the_items_that_have_it(untrained: LanguageEnvironment) -> None:
    heads = untrained.heads
    words = ItemWords(untrained.word_ids, untrained.word_weights, untrained.word_offsets)
    table = dense(words, 60)
    column = int(np.argmin(np.abs((table > 0).sum(0) - 10)))
    with torch.no_grad():
        heads.word_correction[column] = torch.ones(untrained.state_size)
    features = untrained.tables().features
    correction = torch.from_numpy(table).float() @ heads.word_correction
    assert torch.allclose(features, normalize(untrained.item_features + correction), atol=1e-5)
    moved = (features - untrained.item_features).abs().max(1).values > 1e-4
    assert moved.tolist() == (table[:, column] > 0).tolist()
