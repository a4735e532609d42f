"""What sessions teach of when users leave, and what is kept of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import polars as pl
import pytest

import llmrec_env
from llmrec_env.common.errors import LLMRecError
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.skips import Skips
from llmrec_env.data.splits import Split
from llmrec_env.data.visits import Visits
from llmrec_env.language.leaving import Leaving
from llmrec_env.language.leaving_learning import learn_leaving
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser

gym.register_envs(llmrec_env)


def with_sessions(log: InteractionLog, lengths: np.ndarray) -> InteractionLog:
    """The log whose sessions have these lengths, over again."""
    ends = np.cumsum(np.resize(lengths, len(log)))
    names = np.searchsorted(ends, np.arange(len(log)), side="right")
    session = pl.Series("session", names.astype(str))
    return replace(log, feedback=log.feedback.with_columns(session))


def begun(taken: int) -> Visits:
    return Visits.begun(np.array([taken]), 1)


def test_what_ends_sessions_is_learned_and_what_does_not_is_forgotten(
    learned: LanguageEnvironment, split: Split
) -> None:
    regular = learn_leaving(learned, with_sessions(split.train, np.array([4])))
    assert regular is not None
    assert regular["kept"] == "features"
    leaving = Leaving.of({"leaving": regular})
    assert leaving is not None
    assert leaving.after == "taken"
    assert leaving.chance(begun(4))[0] > 3 * leaving.chance(begun(1))[0]
    any_time = np.random.default_rng(0).geometric(0.25, 2000)
    chance = learn_leaving(learned, with_sessions(split.train, any_time))
    assert chance is not None
    if chance["kept"] == "constant":
        assert not np.any(chance["weights"])
    assert chance["log_likelihood_above_constant"][0] < 0.01
    assert chance["rate"] == pytest.approx(0.25, abs=0.05)
    assert learn_leaving(learned, split.train) is None  # days lie between


def test_skips_that_a_log_tells_count(learned: LanguageEnvironment, split: Split) -> None:
    log = split.train
    session = pl.Series("session", ["one"] * len(log))
    log = replace(log, feedback=log.feedback.with_columns(session))
    users = np.repeat(np.arange(log.n_users), 3)  # who finds nothing three times leaves
    left = Skips.of(log.n_users, users, np.full(len(users), 5), log.lengths[users])
    found = learn_leaving(learned, replace(log, skips=left))
    assert found is not None
    assert found["after"] == "shown"
    leaving = Leaving.of({"leaving": found})
    assert leaving is not None
    three = replace(begun(9), skips=np.array([3]))
    assert leaving.chance(three)[0] > 0.5 > 0.1 > leaving.chance(begun(9))[0]
    several = learn_leaving(learned, with_sessions(replace(log, skips=left), np.array([4])))
    assert several is not None
    assert several["after"] == "taken"  # nobody knows which session a skip ended


def test_a_saved_le_knows_when_its_users_leave(
    learned: LanguageEnvironment, split: Split, tmp_path: Path
) -> None:
    model = copy.deepcopy(learned)
    assert LanguageUser(model).tells_leaving is None
    log = with_sessions(split.train, np.array([4]))
    model.record["leaving"] = learn_leaving(model, log)
    model.users = with_sessions(split.test, np.array([4]))
    model.save_pretrained(tmp_path / "le")
    user = LanguageUser.from_pretrained(tmp_path / "le")
    assert user.leaving == LanguageUser(model).leaving
    env = gym.make("LLMRec/NextItem-v1", simulator=user, leaving="learned", accept_rate=0.9)
    plain = gym.make("LLMRec/NextItem-v1", simulator=user, accept_rate=0.9)
    lengths = {own: [_length(own, seed) for seed in range(8)] for own in (env, plain)}
    assert np.mean(lengths[env]) < 12 < np.mean(lengths[plain])
    other = {**model.record["leaving"], "features": ["of another version"]}
    assert Leaving.of({"leaving": other}) is None
    model.record["leaving"]["offset"] = float("nan")
    with pytest.raises(LLMRecError, match="leaving"):
        LanguageUser(model)


def _length(env: gym.Env, seed: int) -> int:
    env.reset(seed=seed)
    for step in range(1, 100):
        _, _, terminated, truncated, _ = env.step(env.unwrapped.action_masks().argmax())
        if terminated or truncated:
            return step
    return 100
