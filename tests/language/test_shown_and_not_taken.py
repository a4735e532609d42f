"""An LE of a log that tells what was shown and not taken, and which of what was taken was liked."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from tiny_models import TINY

import llmrec_env
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import LLMRecError
from llmrec_env.data.feedback import told
from llmrec_env.data.feedback_rules import _REGISTERED, register_feedback_rule
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import SkippedItems
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.language.calibration import calibrate, platt
from llmrec_env.language.fitting import fit_language_environment
from llmrec_env.language.liking_learning import LikingConfig
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import ACCEPT_RATE, LanguageUser

gym.register_envs(llmrec_env)

pytestmark = pytest.mark.core
N_USERS, SHOWN = 200, 40
WORLD = generate_world(seed=0, n_items=60, n_users=N_USERS)
TASTES = WORLD.tastes @ WORLD.factors.T
TRUE = 1 / (1 + np.exp(1 - 2 * (TASTES - TASTES.mean()) / TASTES.std()))


def share_liked(values: FloatArray) -> FloatArray:
    """A rule: a like among few counts for more."""
    return np.clip(0.5 + (values - values.mean()) / 2, 0, 1)


@pytest.fixture(scope="module")
def split() -> Split:
    """Users who were shown random items, took some and said which of them they liked."""
    rng = np.random.default_rng(0)
    users, items = np.repeat(np.arange(N_USERS), SHOWN), rng.integers(0, 60, N_USERS * SHOWN)
    likely = TRUE[users, items]
    table = pl.DataFrame(
        {
            "user_id": [f"{user}" for user in users],
            "item_id": [WORLD.log.catalogue.ids[item] for item in items],
            "time": np.arange(len(users)),
            "label": rng.random(len(users)) < likely,
            "liked": (likely > 0.5).astype(int),
        }
    )
    return split_by_user(InteractionLog.from_table(WORLD.log.catalogue, table), seed=0)


@pytest.fixture(scope="module", autouse=True)
def rule() -> Iterator[None]:
    """A rule of these tests' own, forgotten after them."""
    register_feedback_rule("share liked")(share_liked)
    yield
    _REGISTERED.pop("share liked", None)


@pytest.fixture(scope="module")
def model(split: Split) -> LanguageEnvironment:
    """An LE that learned from all of it."""
    config = replace(
        TINY,
        learning=replace(TINY.learning, epochs=4, learning_rate=3e-3),
        liking=LikingConfig(steps=30, batch_size=64, learning_rate=1e-2, most=12),
        feedback_rule=share_liked,
    )
    return fit_language_environment(split.train, split.validation, config=config, users=split.test)


def test_the_rate_of_what_is_shown_is_known(model: LanguageEnvironment, split: Split) -> None:
    user = LanguageUser(model)
    assert user.accept_rate == pytest.approx(TRUE.mean(), abs=0.1)
    assert LanguageUser(model, accept_rate=0.2).accept_rate == 0.2
    histories = [split.test.sequence(row)[:5] for row in range(split.test.n_users)]
    everything = np.tile(np.arange(60), (len(histories), 1))
    likely = user.answers(histories, everything).accept_probability
    truth = TRUE[[int(name) for name in split.test.user_ids]]
    stated = LanguageUser(model, accept_rate=ACCEPT_RATE).answers(histories, everything)
    assert np.mean((likely - truth) ** 2) < np.mean((stated.accept_probability - truth) ** 2)


def test_without_skips_the_rate_is_the_stated_one(model: LanguageEnvironment, split: Split) -> None:
    twin = copy.deepcopy(model)
    calibrate(twin, replace(split.validation, skips=None))
    assert LanguageUser(twin).accept_rate == ACCEPT_RATE
    few = split.validation.select_users([0])  # too few to say
    calibrate(twin, few)
    assert LanguageUser(twin).accept_rate == ACCEPT_RATE


def test_it_is_saved_and_its_rule_is_asked_for_by_name(
    model: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "le")
    again = LanguageUser.from_pretrained(tmp_path / "le")
    assert again.accept_rate == LanguageUser(model).accept_rate
    assert again.model.config.feedback == model.config.feedback
    assert again.users.skips is not None
    assert len(again.users.skips) == len(split.test.skips)  # type: ignore[arg-type]
    _REGISTERED.pop("share liked")
    try:
        with pytest.raises(LLMRecError, match="unknown feedback rule 'share liked'"):
            LanguageUser.from_pretrained(tmp_path / "le")
    finally:
        register_feedback_rule("share liked")(share_liked)


def test_a_session_one_pass_and_the_environment_agree(
    model: LanguageEnvironment, split: Split
) -> None:
    user, log = LanguageUser(model), split.test
    assert user.feedback_source == "liked"
    likes = told(log, "liked")
    labels = user.label(log.select_users([0, 1]))
    for row in range(2):
        first, sequence = log.offsets[row], log.sequence(row)
        for t in range(1, len(sequence), 4):
            session = user.open([sequence[:t]], feedback=[likes[first : first + t]])
            answer = session.respond(sequence[t : t + 1])
            assert answer.reward[0] == pytest.approx(labels.rewards[first + t], abs=1e-5)
    env = gym.make("LLMRec/NextItem-v1", simulator=user)
    env.reset(seed=0, options={"user_id": str(log.user_ids[0])})
    half = max(3, int(log.lengths[0]) // 2)
    action = int(np.flatnonzero(~np.isin(np.arange(60), log.sequence(0)[:half]))[0])
    _, reward, _, _, _ = env.step(action)
    one = user.answers([log.sequence(0)[:half]], np.array([[action]]), [likes[:half]])
    assert reward == pytest.approx(float(one.reward[0, 0]), abs=1e-5)


def test_negatives_are_what_was_skipped_at_that_step(split: Split) -> None:
    log, rng = split.train, np.random.default_rng(0)
    skipped = SkippedItems(log)
    users = rng.integers(0, log.n_users, 500)
    steps = rng.integers(0, 20, 500)
    drawn = skipped.draw(users, steps, rng)
    assert (drawn >= 0).any()
    for user, step, item in zip(users, steps, drawn, strict=True):
        items, after = log.skips_of(int(user))
        there = np.setdiff1d(items[after == step], log.sequence(int(user)))
        assert item in there if len(there) else item == -1
    anywhere = SkippedItems(log, by_step=False).draw(users, steps, rng)
    assert (anywhere >= 0).mean() > (drawn >= 0).mean()
    assert not len(SkippedItems(replace(log, skips=None)))


def test_a_skip_that_stands_for_many_counts_as_often() -> None:
    rng = np.random.default_rng(0)
    taken, others = rng.normal(1, 1, 50), rng.normal(0, 1, 40)
    given = [array.astype(np.float32) for array in (taken, others)]
    weighted = platt(*given, np.full(50, 2, np.float32), np.full(40, 3, np.float32))
    tiled = [np.tile(given[0], 2), np.tile(given[1], 3)]
    repeated = platt(*tiled, np.ones(100, np.float32), np.ones(120, np.float32))
    assert_allclose(weighted, repeated, rtol=1e-6)
