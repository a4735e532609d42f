"""Items that an LE never met are known by their texts, read as those of its own items were."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose
from tiny_models import TINY

import llmrec_env
from llmrec_env.common.errors import DataError, LLMRecError, SimulatorError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.joined import join_logs
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import WorldParameters, generate_world
from llmrec_env.language.added_items import with_items
from llmrec_env.language.fitting import (
    FitConfig,
    fit_language_environment,
    untrained_language_environment,
)
from llmrec_env.language.learning import LearningConfig, learn
from llmrec_env.language.lm.null import NullLM
from llmrec_env.language.lm.small_model import small_base_model
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser

gym.register_envs(llmrec_env)

pytestmark = pytest.mark.core
NEW = Catalogue(
    pl.DataFrame(
        {"item_id": ["n1", "n2"], "title": ["The Quiet Harbour", "A Duel"], "tags": ["", "calm"]}
    )
)
WAYS = {
    "tokens of their own": TINY,
    "pooled words": replace(TINY, items="pooled"),
    "a bag of words": replace(TINY, language_model=False),
    "ids too": replace(TINY, model=replace(TINY.model, item_ids=True), items="pooled"),
}
PLAIN = WorldParameters(
    shared_taste=0.0,
    pair_share=0.0,
    unwritten_share=0.0,
    attribute_share=1.0,
    exposure_quality=0.0,
    exposure_spread=0.2,
    choice_sharpness=8.0,
)
"""Users who take what they like, and like what the texts say."""


def namesakes(items: Catalogue) -> Catalogue:
    """Items of the same texts under other ids."""
    return Catalogue(items.table.with_columns(pl.col("item_id") + " again"))


def check_alike(grown: LanguageEnvironment, n: int, tolerance: float = 1e-4) -> None:
    """The last ``n`` items of an LE are what its first ones are, but for numbers of their own."""
    read = (
        ["item_features"] if isinstance(grown.backend, NullLM) else ["item_features", "item_tokens"]
    )
    for name in read:
        rows = getattr(grown, name)
        assert_allclose(rows[n:], rows[:n], atol=tolerance)
    per_item = len(grown.word_ids) // 2
    assert torch.equal(grown.word_ids[per_item:], grown.word_ids[:per_item])
    assert_allclose(grown.word_weights[per_item:], grown.word_weights[:per_item], atol=1e-6)
    assert torch.equal(grown.word_offsets[n:], grown.word_offsets[:n] + per_item)


@pytest.mark.parametrize("way", WAYS)
def test_an_item_of_a_known_text_is_what_the_known_one_is(
    way: str, split: Split, tmp_path: Path
) -> None:
    model = untrained_language_environment(split.train, config=WAYS[way])
    n = split.train.n_items
    check_alike(with_items(model, namesakes(split.train.catalogue)), n)
    model.save_pretrained(tmp_path / "le")
    (size,) = [file.stat().st_size for file in (tmp_path / "le").glob("text_space*")]
    assert size < 1_000_000
    loaded = LanguageEnvironment.from_pretrained(tmp_path / "le")
    # the words of a bag are stored in half precision
    check_alike(with_items(loaded, namesakes(split.train.catalogue)), n, 2e-3)


def test_an_adapter_that_learned_reads_no_item_texts(learned: LanguageEnvironment) -> None:
    check_alike(with_items(learned, namesakes(learned.catalogue)), len(learned.catalogue))


def test_known_items_and_users_stay_what_they_were(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    user = LanguageUser(learned, accept_rate=0.3)
    before = {name: value.clone() for name, value in learned.state_dict().items()}
    grown = user.add_items(NEW)
    assert grown.catalogue.ids == [*learned.catalogue.ids, "n1", "n2"]
    assert grown.model.record["added_items"] == 2
    assert grown.accept_rate == 0.3
    assert grown.users.to_table().equals(user.users.to_table())
    histories = [split.test.sequence(u)[:4] for u in range(4)]
    known = np.tile(np.arange(60), (4, 1))
    old, new = user.answers(histories, known), grown.answers(histories, known)
    assert_allclose(new.reward, old.reward, atol=1e-6)
    assert_allclose(new.accept_probability, old.accept_probability, atol=1e-6)
    everything = grown.answers(histories, np.tile(np.arange(62), (4, 1)))
    assert (everything.accept_probability[:, 60:].std(axis=0) > 0).all()  # by user
    # nothing of the first LE moved
    assert "added_items" not in learned.record
    assert all(torch.equal(value, before[name]) for name, value in learned.state_dict().items())

    grown.model.save_pretrained(tmp_path / "grown")
    again = LanguageUser.from_pretrained(tmp_path / "grown", accept_rate=0.3)
    same = again.answers(histories, np.tile(np.arange(62), (4, 1)))
    assert_allclose(same.accept_probability, everything.accept_probability, atol=1e-5)
    more = again.add_items(Catalogue(pl.DataFrame({"item_id": ["n3"], "title": ["A Harbour"]})))
    assert more.model.record["added_items"] == 3
    env = gym.make("LLMRec/NextItem-v1", simulator=more)
    env.reset(seed=0)
    _, reward, _, _, _ = env.step(62)
    assert 0 < float(reward) < 1


def test_what_learned_more_leaves_the_other_alone(
    learned: LanguageEnvironment, split: Split
) -> None:
    before = {name: value.clone() for name, value in learned.state_dict().items()}
    grown = with_items(learned, NEW)
    train, validation = (
        replace(log, catalogue=grown.catalogue) for log in (split.train, split.validation)
    )
    learn(grown, train, validation, replace(TINY.learning, min_steps=2))
    assert all(torch.equal(value, before[name]) for name, value in learned.state_dict().items())


def test_users_tell_new_items_apart_by_what_their_texts_say() -> None:
    world = generate_world(0, n_items=100, n_users=300, parameters=PLAIN)
    attributes = {
        name: [f"{name}{value}" for value in world.attributes[name]]
        for name in ("genre", "mood", "theme", "kind")
    }
    items = Catalogue(pl.DataFrame({"item_id": world.catalogue.ids, **attributes}))
    log = replace(world.log, catalogue=items)
    new, split = np.arange(0, 100, 5), split_by_user(log, 0)
    known = np.setdiff1d(np.arange(100), new)
    config = FitConfig(
        language_model=False,
        learning=LearningConfig(epochs=1, min_steps=60, learning_rate=3e-3, patience=0),
    )
    parts = [part.keep_items(known) for part in (split.train, split.validation)]
    user = LanguageUser(fit_language_environment(*parts, config=config)).add_items(items.take(new))
    log = replace(log.keep_items(np.concatenate([known, new])), catalogue=user.catalogue)
    rows = np.flatnonzero((log.items >= len(known)) & (log.row_positions > 2))
    rng = np.random.default_rng(0)
    unseen = [np.setdiff1d(np.arange(80, 100), log.sequence(user)) for user in log.row_users[rows]]
    rows, unseen = zip(*((r, u) for r, u in zip(rows, unseen, strict=True) if len(u)), strict=True)
    shown = np.stack([log.items[list(rows)], [rng.choice(left) for left in unseen]], axis=1)
    histories = [log.items[log.offsets[log.row_users[row]] : row] for row in rows]
    chances = user.answers(histories, shown).accept_probability
    assert (chances[:, 0] > chances[:, 1]).mean() > 0.57  # .63; one standard error is .024


def test_a_new_item_is_liked_by_its_text_and_nobodys_ratings(split: Split) -> None:
    config = replace(TINY.model, feedback=FeedbackScale("rating", 3.0, 1.0), item_ids=True)
    model = untrained_language_environment(split.train, config=replace(TINY, model=config))
    grown = with_items(model, NEW)
    assert grown.heads.liking is not None
    assert grown.heads.id_correction is not None
    for own in (grown.heads.liking.own, grown.heads.id_correction):
        assert len(own) == 62
        assert not own[60:].any()
    assert grown.heads.liking.own[:60].any()


def test_another_catalogue_alone_is_answered_about_and_learned_from(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    other = namesakes(split.train.catalogue.take(np.arange(40)))
    user = LanguageUser(learned).for_catalogue(other)
    assert user.catalogue.ids == other.ids
    assert user.users is None
    histories, known = [np.array([1, 2, 3])], np.arange(40)[None]
    by_text = copy.deepcopy(learned)
    assert by_text.heads.id_correction is not None
    by_text.heads.id_correction.data.zero_()  # what users shared was of other items
    expected = LanguageUser(by_text).answers(histories, known).accept_probability
    found = user.answers(histories, known).accept_probability
    assert_allclose(found, expected, atol=1e-3)
    some = split.train.keep_items(np.arange(40)).select_users(np.arange(12))
    log = replace(some, catalogue=other)
    learn(user.model, log, log, replace(TINY.learning, min_steps=3))
    user.with_users(log)
    user.model.save_pretrained(tmp_path / "other")
    assert LanguageUser.from_pretrained(tmp_path / "other").n_items == 40


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"item_id": ["n1", "i"], "title": ["A lamp", "A chair"]}, "in the catalogue already"),
        ({"item_id": ["n1", "n2"], "title": ["A lamp", "  "]}, "1 of 2 new items .* 'n2'"),
        ({"item_id": ["n1"]}, "no text"),
    ],
)
def test_items_that_cannot_be_told_apart_are_refused(
    table: dict[str, list[str]], says: str, learned: LanguageEnvironment
) -> None:
    table = {
        **table,
        "item_id": [learned.catalogue.ids[0] if i == "i" else i for i in table["item_id"]],
    }
    with pytest.raises(DataError, match=says):
        with_items(learned, Catalogue(pl.DataFrame(table)))


def test_an_le_that_does_not_say_how_it_read_is_to_be_fitted_again(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    learned.save_pretrained(tmp_path / "le")
    described = json.loads((tmp_path / "le" / "config.json").read_text())
    del described["text_space"], described["manifest"]
    (tmp_path / "le" / "config.json").write_text(json.dumps(described))
    (tmp_path / "le" / "text_space.safetensors").unlink()
    old = LanguageUser.from_pretrained(tmp_path / "le")
    assert len(old.answers([split.test.sequence(0)[:3]], np.array([[1, 2]])).reward) == 1
    random = untrained_language_environment(split.train, config=replace(TINY, items="random"))
    for model in (old.model, random):
        with pytest.raises(SimulatorError, match="fit it again"):
            with_items(model, NEW)


def test_a_reader_that_is_gone_or_another_is_told(split: Split, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    base = small_base_model(split.train.catalogue, TINY.small_model)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    for name in ("encoder", "another"):
        module = StaticEmbedding(tokenizer, embedding_dim=24)
        library.SentenceTransformer(modules=[module], device="cpu").save(str(tmp_path / name))
    config = replace(TINY, item_encoder=str(tmp_path / "encoder"), language_model=False)
    model = untrained_language_environment(split.train, config=config)
    model.save_pretrained(tmp_path / "le")
    model = LanguageEnvironment.from_pretrained(tmp_path / "le")
    check_alike(with_items(model, namesakes(split.train.catalogue)), 60)
    shutil.move(tmp_path / "encoder", tmp_path / "moved")
    with pytest.raises(SimulatorError, match=r"not at .*encoder' any more"):
        with_items(model, NEW)
    assert len(with_items(model, NEW, tmp_path / "moved").catalogue) == 62
    with pytest.raises(SimulatorError, match="another model than the one that read them"):
        with_items(model, NEW, tmp_path / "another")
    with pytest.raises(LLMRecError):
        with_items(model, NEW, tmp_path)


def test_an_le_of_joined_logs_answers_for_a_catalogue_that_it_never_met(tmp_path: Path) -> None:
    logs = {str(seed): generate_world(seed, n_items=40, n_users=40).log for seed in (1, 2)}
    split = split_by_user(join_logs(logs), 0)
    config = replace(TINY, language_model=False)
    model = fit_language_environment(split.train, split.validation, config=config, users=split.test)
    model.save_pretrained(tmp_path / "joined")
    other = generate_world(3, n_items=30, n_users=20).log
    user = LanguageUser.from_pretrained(tmp_path / "joined").for_catalogue(other.catalogue)
    histories = [other.sequence(u)[:4] for u in range(20)]
    answers = user.answers(histories, np.tile(np.arange(30), (20, 1)))
    assert (answers.accept_probability.std(axis=0) > 0).all()
    learn(user.model, other, other, replace(TINY.learning, min_steps=2))


def test_one_log_that_was_joined_to_none_is_learned_as_it_is(split: Split) -> None:
    config = replace(TINY, language_model=False)
    alone = fit_language_environment(split.train, split.validation, config=config)
    parts = (join_logs({"a": part}) for part in (split.train, split.validation))
    joined = fit_language_environment(*parts, config=config)
    assert torch.equal(joined.tables().vectors, alone.tables().vectors)
    assert joined.record["acceptance"] == alone.record["acceptance"]
