"""What an LE knows of its items: a sentence encoder, vectors of their own, or nothing at all."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose
from tiny_models import TINY, catalogue, mapped_means

from llmrec_env.common.errors import LLMRecError, SettingError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.splits import Split
from llmrec_env.language.fitting import (
    FitConfig,
    fit_language_environment,
    untrained_language_environment,
)
from llmrec_env.language.item_tokens import pooled_tokens
from llmrec_env.language.lm import small_model
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.model import LanguageEnvironment, LanguageEnvironmentConfig
from llmrec_env.language.projection import Projection
from llmrec_env.language.sentence_encoder import load_encoder, sentence_outputs
from llmrec_env.users.language import LanguageUser

WITH_IDS = replace(TINY, model=replace(TINY.model, item_ids=True))


@pytest.fixture(scope="session")
def encoder(base_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence encoder with random word vectors, as sentence-transformers saves it."""
    library = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(0)
    tokenizer = Tokenizer.from_file(str(base_folder / "tokenizer.json"))
    module = StaticEmbedding(tokenizer, embedding_dim=24)
    folder = tmp_path_factory.mktemp("encoder")
    library.SentenceTransformer(modules=[module], device="cpu").save(str(folder))
    return folder


def sentence_features(items: Catalogue, folder: Path, size: int) -> torch.Tensor:
    """What the encoder in a folder makes of the items, projected."""
    outputs = sentence_outputs(items, load_encoder(folder))
    return Projection.of(outputs, size)(outputs)


def test_items_of_like_text_have_like_features(encoder: Path) -> None:
    texts = ["red wooden chair", "red wooden chair", "copper pipe", "old lamp", "blue lamp"]
    items = Catalogue(pl.DataFrame({"item_id": list("abcde"), "title": texts}))
    features = sentence_features(items, encoder, size=16)
    assert features.dtype == torch.float32
    assert torch.allclose(features.norm(dim=1), torch.ones(5), atol=1e-5)
    closeness = features @ features.T
    assert closeness[0, 1] == pytest.approx(1, abs=1e-5)
    assert closeness[3, 4] > closeness[0, 3]


def test_an_encoder_is_loaded_without_a_foreign_bar(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    library = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer import modules as models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "blue", "chair"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "bert")
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(vocab_size=len(words), hidden_size=16, **shape)
    BertModel(config).save_pretrained(tmp_path / "bert")
    modules = [models.Transformer(str(tmp_path / "bert")), models.Pooling(16)]
    library.SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "encoder"))
    capfd.readouterr()
    items = Catalogue(pl.DataFrame({"item_id": ["a", "b"], "title": ["red chair", "blue chair"]}))
    assert len(sentence_features(items, tmp_path / "encoder", size=4)) == 2
    assert "%|" not in capfd.readouterr().err


def test_an_le_begins_with_the_encoders_features_and_needs_it_no_more(
    split: Split, encoder: Path, tmp_path: Path
) -> None:
    there = shutil.copytree(encoder, tmp_path / "encoder")
    config = replace(TINY, item_encoder=str(there))
    model = fit_language_environment(split.train, split.validation, config=config)
    expected = sentence_features(split.train.catalogue, encoder, TINY.model.state_size)
    assert torch.equal(model.item_features, expected)
    model.save_pretrained(tmp_path / "le")
    shutil.rmtree(there)
    again = LanguageEnvironment.from_pretrained(tmp_path / "le")
    assert torch.equal(again.tables().vectors, model.tables().vectors)


@pytest.mark.parametrize("items", ["text", "random"])
def test_on_features_not_its_own_lm_outputs_correct_as_unit_vectors(
    items: Literal["text", "random"],
    split: Split,
    encoder: Path,
    untrained: LanguageEnvironment,
    tmp_path: Path,
) -> None:
    known = str(encoder) if items == "text" else None
    config = replace(TINY, items=items, item_encoder=known)
    model = untrained_language_environment(split.train, config=config)
    width = model.backend.hidden_size
    assert model.config.output_scale == pytest.approx(width**-0.5)
    assert untrained.config.output_scale is None
    model.save_pretrained(tmp_path / "le")
    again = LanguageEnvironment.from_pretrained(tmp_path / "le")
    nothing, outputs = torch.zeros(1, model.state_size), torch.randn(1, width)
    for le in (model, again):
        torch.nn.init.ones_(le.heads.score.weight)
        raw = le.heads.raw_reward(outputs, nothing, nothing)
        assert raw.item() == pytest.approx(float(outputs.sum()) * width**-0.5, abs=1e-5)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_silences_the_lm_is_refused(scale: float) -> None:
    with pytest.raises(SettingError, match="output_scale must be a number"):
        LanguageEnvironmentConfig(output_scale=scale)


def test_what_is_no_encoder_gets_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(LLMRecError, match="no sentence encoder"):
        sentence_features(catalogue(), tmp_path, size=8)


def test_a_folder_that_is_not_there_is_told_before_anything_is_learned(
    split: Split, tmp_path: Path
) -> None:
    config = replace(TINY, item_encoder=str(tmp_path / "nowhere"))
    with pytest.raises(SettingError, match="nowhere': no such folder"):
        untrained_language_environment(split.train, config=config, checkpoint=tmp_path)
    assert not list(tmp_path.iterdir())


def test_vectors_of_their_own_begin_at_nothing_and_are_learned_and_saved(
    split: Split, untrained: LanguageEnvironment, tmp_path: Path
) -> None:
    begun = untrained_language_environment(split.train, config=WITH_IDS)
    assert torch.allclose(begun.tables().vectors, untrained.tables().vectors, atol=1e-6)
    model = fit_language_environment(split.train, split.validation, config=WITH_IDS)
    learned = model.heads.id_correction
    assert learned is not None
    assert learned.shape == (split.train.n_items, model.state_size)
    assert learned.abs().max() > 0
    model.save_pretrained(tmp_path / "le")
    again = LanguageEnvironment.from_pretrained(tmp_path / "le")
    assert torch.equal(again.tables().vectors, model.tables().vectors)


def test_some_items_are_read_as_all_of_them_are(split: Split) -> None:
    model = fit_language_environment(split.train, split.validation, config=WITH_IDS)
    items = torch.tensor([7, 3, 41])
    some, whole = model.tables(items), model.tables()
    assert torch.allclose(some.vectors, whole.vectors[items], atol=1e-6)
    assert torch.allclose(some.tokens, whole.tokens[items], atol=1e-6)


def test_random_items_say_nothing_of_the_texts(split: Split) -> None:
    control = replace(TINY, items="random")
    one = untrained_language_environment(split.train, config=control)
    other = replace(
        split.train,
        catalogue=Catalogue(split.train.catalogue.table.with_columns(pl.col("title").reverse())),
    )
    two = untrained_language_environment(other, one_base(split), config=control)
    assert torch.equal(one.item_features, two.item_features)
    assert len(one.word_ids) == 0


def one_base(split: Split) -> Path:
    """The base model of the split's own texts."""
    from llmrec_env.language.lm.small_model import small_base_model

    return small_base_model(split.train.catalogue, TINY.small_model)


def test_pooled_items_are_the_mean_of_their_words(split: Split) -> None:
    model = untrained_language_environment(split.train, config=replace(TINY, items="pooled"))
    base, tokenizer = load_base_model(one_base(split))
    limit = TINY.item_tokens.max_tokens
    expected = pooled_tokens(split.train.catalogue, base, tokenizer, limit)
    assert np.allclose(model.item_tokens, expected, atol=1e-6)


def test_no_item_tokens_are_learned_for_an_le_without_a_language_model(split: Split) -> None:
    base, config = one_base(split), replace(TINY, language_model=False)
    without = untrained_language_environment(split.train, base, config)
    pooled = untrained_language_environment(split.train, base, replace(TINY, items="pooled"))
    assert "item_tokens" not in without.record
    assert torch.equal(without.item_tokens, pooled.item_tokens)
    learned = untrained_language_environment(split.train, config=TINY)
    assert "item_tokens" in learned.record


def test_no_language_model_is_pretrained_for_an_le_without_one(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(*arguments: object, **options: object) -> None:
        raise AssertionError("a language model was pretrained")

    monkeypatch.setattr(small_model, "train", trained)
    config = replace(TINY, language_model=False, small_model=replace(TINY.small_model, seed=7))
    model = untrained_language_environment(split.train, config=config)
    features = model.item_features.cpu()
    assert torch.linalg.vector_norm(features, dim=1).numpy() == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(AssertionError, match="was pretrained"):
        untrained_language_environment(split.train, config=replace(config, language_model=True))


def test_a_small_budget_reaches_every_length() -> None:
    tried, whole = FitConfig().scaled(0.05), FitConfig()
    assert (tried.small_model.min_steps, tried.small_model.max_steps) == (15, 30)
    assert tried.item_tokens.steps == 0
    assert (tried.learning.epochs, tried.learning.min_steps) == (1, 15)
    assert whole.scaled(1.0) == whole
    with pytest.raises(SettingError, match="budget"):
        whole.scaled(0.0)


def test_item_tokens_of_no_steps_are_the_means_of_their_words(split: Split) -> None:
    none = replace(TINY, item_tokens=replace(TINY.item_tokens, steps=0))
    tried = untrained_language_environment(split.train, config=none)
    pooled = untrained_language_environment(split.train, config=replace(TINY, items="pooled"))
    assert torch.equal(tried.item_tokens, pooled.item_tokens)
    assert "item_tokens" not in tried.record


def test_contradicting_settings_are_refused() -> None:
    with pytest.raises(SettingError, match="text, pooled, shared, random"):
        FitConfig(items="word2vec")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="item_encoder"):
        FitConfig(items="random", item_encoder="somewhere")


def test_without_a_language_model_the_le_is_a_bag_of_items(split: Split, tmp_path: Path) -> None:
    config = replace(WITH_IDS, items="random", language_model=False)
    model = fit_language_environment(split.train, split.validation, config=config)
    user = LanguageUser(model)
    log = split.test
    labels = user.label(log)
    tables = model.tables()
    history = torch.from_numpy(log.sequence(0)[:3].copy())
    raw = mapped_means(model, tables.features[history])
    state = torch.nn.functional.normalize(raw, dim=0)
    assert labels.states[2] == pytest.approx(state.detach().numpy(), abs=1e-5)
    vector = tables.vectors[log.sequence(0)[3]]
    own = model.heads.item_score(vector)[0] + model.heads.score.bias[0]
    liking = model.appeal(model.heads.cosine_weight * (state @ vector) + own)
    assert labels.rewards[3] == pytest.approx(liking.item(), abs=1e-5)

    session = user.open([log.sequence(0)[:3]])
    assert session.states[0] == pytest.approx(labels.states[2], abs=1e-5)
    session.respond(np.array([log.sequence(0)[3]]))
    states = session.commit(np.array([True]))
    assert states[0] == pytest.approx(labels.states[3], abs=1e-5)

    model.save_pretrained(tmp_path / "bag")
    assert not (tmp_path / "bag" / "adapter").exists()
    again = LanguageUser(LanguageEnvironment.from_pretrained(tmp_path / "bag"))
    assert np.array_equal(again.label(log).rewards, labels.rewards, equal_nan=True)


def test_without_a_language_model_users_come_and_go(split: Split) -> None:
    """Some rows of a session get new users, some of them for the second time."""
    config = replace(TINY, language_model=False)
    user = LanguageUser(fit_language_environment(split.train, split.validation, config=config))
    histories = [split.test.sequence(row)[: 2 + row % 3] for row in range(6)]
    session = user.open(histories[:4])
    for rows, new in (([1, 3], [4, 5]), ([0, 1], [5, 2]), ([2], [4])):
        states = session.replace(np.array(rows), [histories[i] for i in new])
        assert_allclose(states[rows], user.open([histories[i] for i in new]).states, atol=1e-6)
        session.respond(np.arange(4))
        session.commit(np.array([True, False, True, False]))
