"""Learning an LE: seeded, resumable, never below where it began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tiny_models import TINY, log_of, random_log

from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.softmax import Precision
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.negatives import Negatives
from llmrec_env.data.splits import Split, some_users
from llmrec_env.evaluation.ranking import SimulatorRanker, evaluate_ranking
from llmrec_env.language import learning, learning_losses
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.fitting import fit_language_environment, untrained_language_environment
from llmrec_env.language.labelling import label_log
from llmrec_env.language.learning import LearningConfig, learn
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.validation import validate
from llmrec_env.users.language import LanguageUser

pytestmark = pytest.mark.core
Fit = Callable[..., LanguageEnvironment]


def same_weights(one: LanguageEnvironment, other: LanguageEnvironment) -> bool:
    """Whether every parameter and buffer is equal to the last bit."""
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def test_the_same_seed_gives_the_same_numbers(fit: Fit, learned: LanguageEnvironment) -> None:
    torch.manual_seed(12345)  # what the caller drew before must not matter
    np.random.default_rng(1).random(7)
    again = fit()
    assert same_weights(again, learned)
    assert again.record == learned.record


def test_another_seed_gives_other_numbers(fit: Fit, learned: LanguageEnvironment) -> None:
    assert not same_weights(fit(seed=1), learned)


def test_a_killed_fit_goes_on_as_if_nothing_had_happened(
    fit: Fit, learned: LanguageEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def killed_in_the_third(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return validate(*arguments)

    monkeypatch.setattr(learning, "validate", killed_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        fit(checkpoint=tmp_path)
    assert (tmp_path / "learning" / "state.safetensors").exists()
    resumed = fit(checkpoint=tmp_path)
    assert same_weights(resumed, learned)
    assert resumed.record == learned.record
    assert not (tmp_path / "learning").exists()


def test_a_checkpoint_of_other_users_is_refused(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(learning, "calibrate", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(checkpoint=tmp_path)
    with pytest.raises(LLMRecError, match="checkpoint of another run"):
        fit(checkpoint=tmp_path, share=0.5)


def test_a_checkpoint_of_an_le_of_another_shape_is_refused(split: Split, tmp_path: Path) -> None:
    def learned_with(scale: float) -> None:
        shape = replace(TINY.model, output_scale=scale)
        model = untrained_language_environment(split.train, config=replace(TINY, model=shape))
        learn(model, split.train, split.validation, TINY.learning, tmp_path)

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "calibrate", killed)
        with pytest.raises(KeyboardInterrupt):
            learned_with(1.0)
    with pytest.raises(LLMRecError, match="checkpoint of another run"):
        learned_with(0.5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_users_teach_it_what_comes_next_and_nothing_unteaches_it(
    split: Split, untrained: LanguageEnvironment, precision: Precision
) -> None:
    log = log_of([[(u + t) % 60 for t in range(8)] for u in range(60)], split.train.catalogue)
    held_out = log_of([[(u + t) % 60 for t in range(5)] for u in range(3, 60, 6)], log.catalogue)
    before = validate(untrained, held_out)
    learn(untrained, log, held_out, replace(TINY.learning, epochs=5, precision=precision))
    taught = validate(untrained, held_out)
    assert taught["NDCG@10"] > before["NDCG@10"] + 0.1
    assert taught["accuracy"] > before["accuracy"]

    learn(untrained, log, held_out, replace(TINY.learning, learning_rate=5.0))
    progress = [row["progress"] for row in untrained.record["learning"]["curve"]]
    assert min(progress) < progress[0]
    assert untrained.record["learning"]["best_step"] == 0
    assert validate(untrained, held_out) == pytest.approx(taught)


def test_only_heads_and_adapters_learn(split: Split, untrained: LanguageEnvironment) -> None:
    before = {name: value.clone() for name, value in untrained.state_dict().items()}
    learn(untrained, split.train, split.validation, TINY.learning)
    moved = {n for n, v in untrained.state_dict().items() if not torch.equal(v, before[n])}
    normalisers = {"reward_mean", "reward_sd"}
    assert normalisers < moved
    assert all(n.startswith("heads.") or ".lora_" in n for n in moved - normalisers)
    assert any(".lora_" in n for n in moved)


def test_a_share_learns_from_that_share_of_the_users(fit: Fit, split: Split) -> None:
    record = fit(share=0.25).record["learning"]
    chosen = some_users(split.train, 0.25, 0)
    assert record["users"] == chosen.n_users == 16
    assert record["interactions"] == len(chosen) < len(split.train)
    assert set(chosen.user_ids) < set(split.train.user_ids)


@pytest.mark.parametrize("state_loss", ["catalogue", "in_batch", "pairwise"])
def test_every_state_loss_falls(
    state_loss: str, split: Split, untrained: LanguageEnvironment
) -> None:
    config = replace(TINY.learning, state_loss=state_loss, min_steps=24, validations=3)
    learn(untrained, split.train, split.validation, config)
    rows = untrained.record["learning"]["curve"]
    assert [row["step"] for row in rows] == [0, 8, 16, 24]
    assert rows[-1]["state"] < rows[1]["state"]


def test_rewards_are_normalised_over_training_pairs(
    split: Split, learned: LanguageEnvironment
) -> None:
    _, rewards = label_log(AnsweringLE(learned), split.train)
    known = rewards[~np.isnan(rewards)]
    assert ((known > 0) & (known < 1)).all()
    z = np.log(known) - np.log1p(-known)
    assert abs(z.mean()) < 1.5  # of taken items alone; of pairs it is 0
    assert 0.3 < z.std() < 3
    assert float(learned.reward_sd) > 0


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0])
def test_a_share_out_of_range_is_refused(share: float, fit: Fit) -> None:
    with pytest.raises(DataError, match="share of the training users"):
        fit(share=share)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": -3}, {"min_steps": -1}])
def test_a_length_out_of_range_is_refused_before_anything_is_read(wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match=f"{next(iter(wrong))} must be at least"):
        LearningConfig(**wrong)  # type: ignore[arg-type]


def test_too_little_to_learn_from_is_refused(split: Split, untrained: LanguageEnvironment) -> None:
    nobody = split.validation.select_users([])
    with pytest.raises(DataError, match="no validation users"):
        learn(untrained, split.train, nobody)
    single = log_of([[1], [2]], split.train.catalogue)
    with pytest.raises(DataError, match="no user has two interactions"):
        learn(untrained, single, split.validation)
    by_name = replace(TINY, learning=LearningConfig(sessions="column"))
    with pytest.raises(DataError, match="no column session"):  # before items are read
        fit_language_environment(split.train, split.validation, "no/model", by_name)
    with pytest.raises(DataError, match="no column session"):
        learn(untrained, split.train, split.validation, by_name.learning)


def test_a_catalogue_without_text_needs_to_be_asked_for(base_folder: Path) -> None:
    log = random_log([9, 8, 7, 6])
    bare = Catalogue(pl.DataFrame({"item_id": log.catalogue.ids}))
    untexted = log_of([s.tolist() for s in log.sequences()], bare)
    with pytest.raises(DataError, match="allow_untexted=True"):
        fit_language_environment(untexted, untexted, config=TINY)
    with pytest.raises(DataError, match="allow_untexted=True"):
        fit_language_environment(untexted, untexted, base_folder, config=TINY)
    model = untrained_language_environment(untexted, base_folder, TINY, allow_untexted=True)
    states, _ = label_log(AnsweringLE(model), untexted)
    assert np.linalg.norm(states, axis=1) == pytest.approx(np.ones(len(log)), abs=1e-5)


def test_negatives_are_never_items_of_the_user() -> None:
    log = log_of([[0, 1, 2], list(range(20))])
    users = np.repeat([0, 1], 200)
    for popular_share in (0.0, 0.5, 1.0):
        drawn = Negatives(log, popular_share).draw(users[:200], np.random.default_rng(0))
        assert not np.isin(drawn, [0, 1, 2]).any()
    drawn = Negatives(log, 0.5).draw(users, np.random.default_rng(0))
    assert set(drawn[200:]) == {20, 21, 22, 23}
    assert (Negatives(log, 1.0).draw(users[:200], np.random.default_rng(0)) < 20).all()


def test_a_user_who_met_all_that_counts_gets_other_items() -> None:
    alone = Negatives(log_of([[0, 1, 2]]), 1.0)
    drawn = alone.draw(np.zeros(300, dtype=np.int64), np.random.default_rng(0))
    assert set(drawn) == set(range(3, 24))


def test_a_user_who_saw_everything_has_no_negatives() -> None:
    log = log_of([list(range(24))])
    with pytest.raises(DataError, match="has seen all of the 24 items"):
        Negatives(log, 0.0).draw(np.zeros(3, dtype=np.int64), np.random.default_rng(0))
    anyway = Negatives(log, 0.0, any_where_none=True)
    assert len(set(anyway.draw(np.zeros(300, dtype=np.int64), np.random.default_rng(0)))) > 12


def test_the_one_unseen_item_is_found() -> None:
    log = log_of([[item for item in range(24) if item != 7]])
    drawn = Negatives(log, 1.0).draw(np.zeros(50, dtype=np.int64), np.random.default_rng(0))
    assert set(drawn) == {7}


def test_more_items_than_are_ranked_whole_are_never_read_whole(
    fit: Fit, learned: LanguageEnvironment, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = validate(learned, split.test)
    for room in (learning, learning_losses):
        monkeypatch.setattr(room, "EXACT_ITEMS", split.train.n_items - 1)
    # the sample that validation ranks among holds all sixty
    assert validate(learned, split.test) == pytest.approx(whole)
    asked: list[object] = []
    tables = LanguageEnvironment.tables

    def counted(model: LanguageEnvironment, items: torch.Tensor | None = None) -> object:
        asked.append(items)
        return tables(model, items)

    monkeypatch.setattr(LanguageEnvironment, "tables", counted)
    fit()
    assert sum(items is None for items in asked) == 1  # calibration reads them all
    assert len(asked) > 10


@pytest.mark.parametrize("mask_seen", [False, True])
def test_validation_is_the_ranking_of_the_table_masked_or_not(
    learned: LanguageEnvironment, split: Split, mask_seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = split.test
    found = validate(learned, log, 0, mask_seen)["NDCG@10"]
    table = evaluate_ranking(SimulatorRanker(LanguageUser(learned)), log, mask_seen=mask_seen)
    assert found == pytest.approx(table["NDCG@10"], abs=1e-6)
    monkeypatch.setattr(
        learning_losses, "EXACT_ITEMS", 10
    )  # now it knows a batch's items and a sample
    assert validate(learned, log, 0, mask_seen)["NDCG@10"] == pytest.approx(found)


def test_the_record_says_whether_seen_items_were_masked(
    fit: Fit, learned: LanguageEnvironment
) -> None:
    assert learned.record["learning"]["mask_seen"] is True  # nothing is taken twice in the world
    assert fit(mask_seen=False).record["learning"]["mask_seen"] is False


def test_recomputed_outputs_give_the_same_numbers(fit: Fit, learned: LanguageEnvironment) -> None:
    saved = fit(gradient_checkpointing=True)
    for (name, ours), theirs in zip(learned.named_parameters(), saved.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5), name


def test_batches_keep_to_their_tokens(untrained: LanguageEnvironment, split: Split) -> None:
    config = replace(TINY.learning, batch_tokens=40)
    free = learning.Batches(split.train, untrained, TINY.learning)
    bound = learning.Batches(split.train, untrained, config)
    assert max(free.tokens) > 40 >= max(bound.tokens)
    assert bound.per_epoch > free.per_epoch
    with pytest.raises(DataError, match="batch_tokens must be at least 2"):
        replace(config, batch_tokens=1)
