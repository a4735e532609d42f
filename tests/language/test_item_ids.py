"""What users share: a vector of each item's own, beside what its text says."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import TINY

from llmrec_env.common.errors import SettingError
from llmrec_env.common.files import read_json, write_json
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import Split
from llmrec_env.language import fitting
from llmrec_env.language.fitting import fit_language_environment, untrained_language_environment
from llmrec_env.language.item_parts import keep_what_helps, measure_parts
from llmrec_env.language.model import LanguageEnvironment, LanguageEnvironmentConfig
from llmrec_env.language.shared_features import shared_features
from llmrec_env.language.validation import validate
from llmrec_env.users.language import LanguageUser


def with_ids(item_ids: bool | None, dropout: float = 0.0) -> fitting.FitConfig:
    return replace(TINY, model=replace(TINY.model, item_ids=item_ids, id_dropout=dropout))


def pairs_log(n_users: int, seed: int) -> InteractionLog:
    """Users who alternate between two items that belong together, of items without a word."""
    rng = np.random.default_rng(seed)
    bare = Catalogue(pl.DataFrame({"item_id": [f"i{n}" for n in range(24)]}))
    pairs = rng.permuted(np.tile(np.arange(12), (n_users, 1)), axis=1)[:, :3]
    rows = [[item for pair in own for item in (pair, 12 + pair)] for own in pairs]
    return InteractionLog.of_strangers(bare, [np.array(row) for row in rows])


def test_items_without_text_are_known_by_what_users_share() -> None:
    log, held_out = pairs_log(200, 0), pairs_log(40, 1)
    config = replace(with_ids(None), language_model=False)
    config = replace(config, learning=replace(config.learning, epochs=12, learning_rate=0.01))
    model = fit_language_environment(log, held_out, config=config)
    assert model.config.item_ids
    parts = model.record["learning"]["parts"]
    assert parts["share_of_ids"] > 0.1
    assert parts["kept"] == "both"
    assert parts["both"]["progress"] > parts["text"]["progress"] + 0.2
    histories = [np.array([pair]) for pair in range(12)]
    best, _ = LanguageUser(model).best_items(
        LanguageUser(model).open(histories).states, 1, (np.arange(12), np.arange(12))
    )
    assert (best[:, 0] == 12 + np.arange(12)).mean() > 0.8


def test_items_taken_together_are_alike_before_anything_is_learned() -> None:
    log = pairs_log(200, 0)
    features = shared_features(log, 16, 0)
    assert features.shape == (24, 16)
    assert torch.allclose(features.norm(dim=1), torch.ones(24), atol=1e-5)
    closeness = features @ features.T - 2 * torch.eye(24)
    assert (closeness.argmax(1) == (torch.arange(24) + 12) % 24).all()
    assert torch.equal(shared_features(log, 16, 0), features)


def test_what_nobody_took_is_like_nothing() -> None:
    log = pairs_log(200, 0)
    some = log.select_users(np.flatnonzero([5 not in own for own in log.sequences()]))
    features = shared_features(some, 30, 0)  # longer than the items are many
    assert torch.isfinite(features).all()
    assert torch.allclose(features.norm(dim=1), torch.ones(24), atol=1e-5)
    others = torch.tensor([item for item in range(24) if item not in (5, 17)])
    assert (features[5] @ features[others].T).abs().max() < 0.8
    nobody = shared_features(log.select_users([]), 8, 0)
    assert torch.allclose(nobody.norm(dim=1), torch.ones(24), atol=1e-5)


def test_ids_are_learned_up_to_a_number_of_items(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert untrained_language_environment(split.train, config=with_ids(None)).config.item_ids
    monkeypatch.setattr(fitting, "EXACT_ITEMS", len(split.train.catalogue) - 1)
    model = untrained_language_environment(split.train, config=with_ids(None))
    assert model.config.item_ids is False
    assert model.heads.id_correction is None


def test_a_step_knows_some_items_by_their_text_alone(split: Split) -> None:
    model = untrained_language_environment(split.train, config=with_ids(True, dropout=0.5))
    assert model.heads.id_correction is not None
    by_text = model.tables().features
    torch.nn.init.normal_(model.heads.id_correction)
    whole = model.tables().features
    assert not torch.isclose(whole, by_text).all(1).any()
    torch.manual_seed(0)
    step = model.train().tables().features
    dropped = torch.isclose(step, by_text, atol=1e-6).all(1)
    assert torch.allclose(step[~dropped], whole[~dropped])
    assert 0.3 < dropped.float().mean() < 0.7
    model.eval()
    assert torch.equal(model.tables().features, whole)


def test_what_users_share_is_forgotten_where_texts_alone_tell_more(
    learned: LanguageEnvironment, split: Split
) -> None:
    model = copy.deepcopy(learned)
    assert model.heads.id_correction is not None
    torch.manual_seed(0)
    torch.nn.init.normal_(model.heads.id_correction, std=10)

    def measure() -> dict[str, float]:
        return validate(model, split.validation)

    before = model.item_features.clone()
    parts = measure_parts(model, measure(), measure)
    assert parts["ids"]["progress"] < parts["text"]["progress"]
    assert torch.equal(model.item_features, before)
    keep_what_helps(model, parts)
    assert parts["kept"] == "text"
    assert measure() == parts["text"]


def test_a_share_of_dropped_items_is_checked() -> None:
    with pytest.raises(SettingError, match="id_dropout must lie in"):
        LanguageEnvironmentConfig(id_dropout=1.0)


def test_an_le_saved_before_items_had_a_part_of_acceptance_answers_as_it_did(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    learned.save_pretrained(tmp_path / "le")
    heads = load_file(tmp_path / "le" / "heads.safetensors")
    own = heads.pop("heads.item_score.weight")
    assert own.any(), "it is learned"
    save_file(heads, tmp_path / "le" / "heads.safetensors")
    described = read_json(tmp_path / "le" / "config.json")
    del described["manifest"]
    write_json(tmp_path / "le" / "config.json", described)
    old = LanguageEnvironment.from_pretrained(tmp_path / "le")
    assert not old.heads.item_score.weight.any()
    assert validate(old, split.validation)["NDCG@10"] == pytest.approx(
        validate(learned, split.validation)["NDCG@10"], abs=1e-6
    )
