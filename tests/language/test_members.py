"""Members of an LE: one reading, several answers, which the mean, the folder and a kill keep."""

from __future__ import annotations

import copy
from pathlib import Path

import gymnasium as gym
import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import llmrec_env
from llmrec_env.common.errors import LLMRecError, SettingError
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import Split
from llmrec_env.language import member_learning
from llmrec_env.language.learning import LearningConfig, learn
from llmrec_env.language.member_learning import MembersConfig, learn_members, user_counts
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser

gym.register_envs(llmrec_env)
pytestmark = pytest.mark.core
CONFIG = MembersConfig(count=3, epochs=1, min_steps=12, validations=3)


def with_members(
    learned: LanguageEnvironment,
    split: Split,
    config: MembersConfig = CONFIG,
    checkpoint: Path | None = None,
) -> LanguageEnvironment:
    """A copy of an LE, with members."""
    model = copy.deepcopy(learned)
    learn_members(model, split.train, split.validation, config, checkpoint)
    return model


@pytest.fixture(scope="module")
def ensemble(learned: LanguageEnvironment, split: Split) -> LanguageEnvironment:
    """An LE with three members; not to be changed."""
    return with_members(learned, split)


def histories(log: InteractionLog) -> list[np.ndarray]:
    """The first items of four users."""
    return [log.sequence(row)[: 3 + row] for row in range(4)]


def test_every_door_answers_as_the_members_do_in_the_mean(
    ensemble: LanguageEnvironment, split: Split
) -> None:
    user, test = LanguageUser(ensemble), split.test
    shown = np.tile(np.arange(30, 34), (4, 1))
    at_once = user.answers(histories(test), shown)
    session = user.open(histories(test))
    assert session.members is None
    for column in range(4):
        answer, members = session.respond(shown[:, column]), session.members
        assert members is not None
        assert members.reward.shape == members.accept_probability.shape == (3, 4)
        assert members.reward.std(axis=0).min() > 0
        assert_allclose(answer.reward, members.reward.mean(axis=0), atol=1e-6)
        assert_allclose(answer.reward, at_once.reward[:, column], atol=1e-5)
        assert_allclose(answer.accept_probability, at_once.accept_probability[:, column], atol=1e-5)
    labels = user.label(test)
    walked = super(LanguageUser, user).label(test)
    assert_allclose(labels.rewards, walked.rewards, atol=1e-4)


def test_what_users_are_does_not_change(
    ensemble: LanguageEnvironment, learned: LanguageEnvironment, split: Split
) -> None:
    together, alone = LanguageUser(ensemble), LanguageUser(learned)
    opened = [user.open(histories(split.test)) for user in (together, alone)]
    assert_array_equal(opened[0].states, opened[1].states)
    assert_array_equal(together.item_vectors, alone.item_vectors)
    assert (together.n_members, alone.n_members) == (3, 1)
    assert opened[1].respond(np.arange(4)).reward.shape == (4,)
    assert opened[1].members is None


def test_a_uniformly_shown_item_is_taken_at_the_stated_rate(
    ensemble: LanguageEnvironment, split: Split
) -> None:
    user = LanguageUser(ensemble, accept_rate=0.2)
    everything = np.tile(np.arange(60), (len(split.validation.lengths), 1))
    sequences = [own[: len(own) // 2 + 1] for own in split.validation.sequences()]
    assert user.answers(sequences, everything).accept_probability.mean() == pytest.approx(
        0.2, abs=0.05
    )


def test_a_folder_keeps_them_wherever_it_is_opened(
    ensemble: LanguageEnvironment, tmp_path: Path
) -> None:
    ensemble.save_pretrained(tmp_path / "le")
    env = gym.make("LLMRec/NextItem-v1", simulator=tmp_path / "le", pessimism=2.0)
    kept = gym.make("LLMRec/NextItem-v1", simulator=LanguageUser(ensemble), pessimism=2.0)
    for each in (env, kept):
        each.reset(seed=4)
    for action in (3, 8, 3):
        there, here = env.step(action), kept.step(action)
        assert there[1] == pytest.approx(here[1], abs=1e-5)
        assert there[4]["uncertainty"] == pytest.approx(here[4]["uncertainty"], abs=1e-5)
    loaded = LanguageUser.from_pretrained(tmp_path / "le")
    assert loaded.model.record["members"]["config"]["count"] == 3
    again = LanguageEnvironment.from_pretrained(tmp_path / "le")
    learn(again, loaded.users, loaded.users, LearningConfig(epochs=1, min_steps=1, validations=1))
    assert again.members is None  # what they read has moved


def test_new_items_are_known_to_each_member_by_their_texts(ensemble: LanguageEnvironment) -> None:
    user = LanguageUser(ensemble)
    new = Catalogue(pl.DataFrame({"item_id": ["x1", "x2"], "title": ["A duel", "The harbour"]}))
    grown = user.add_items(new)
    sessions = [own.open([np.array([1, 2, 3])]) for own in (user, grown)]
    for before, after in zip(*(own.respond(np.array([7])) for own in sessions), strict=True):
        assert_allclose(after, before, atol=1e-5)
    sessions[1].respond(np.array([61]))
    assert sessions[1].members is not None
    assert sessions[1].members.reward.shape == (3, 1)
    assert sessions[1].members.reward.std() > 0


def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    ensemble: LanguageEnvironment,
    learned: LanguageEnvironment,
    split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, calls = member_learning._told, iter(range(100))

    def killed_in_the_third(*arguments: object) -> object:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return told(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(member_learning, "_told", killed_in_the_third)
        with pytest.raises(KeyboardInterrupt):
            with_members(learned, split, checkpoint=tmp_path)
    another = MembersConfig(count=3, epochs=1, min_steps=12, validations=3, prior=0.5)
    with pytest.raises(LLMRecError, match="another run"):
        with_members(learned, split, another, tmp_path)
    resumed = with_members(learned, split, checkpoint=tmp_path)
    ours, theirs = (model.members for model in (resumed, ensemble))
    assert ours is not None
    assert theirs is not None
    for name, value in theirs.state_dict().items():
        assert_allclose(ours.state_dict()[name], value, atol=1e-6, err_msg=name)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_each_member_has_users_of_its_own() -> None:
    counts = user_counts(200, CONFIG)
    assert counts.shape == (200, 3)
    assert_array_equal(counts.sum(axis=0), 200)
    assert 0.3 < (counts == 0).mean() < 0.45  # about 1 / e
    assert not np.array_equal(counts[:, 0], counts[:, 1])
    assert (user_counts(9, MembersConfig(bootstrap=False)) == 1).all()


def test_an_untrained_le_and_a_lonely_member_are_refused(
    untrained: LanguageEnvironment, split: Split
) -> None:
    with pytest.raises(LLMRecError, match="fit the LE first"):
        learn_members(untrained, split.train, split.validation)
    with pytest.raises(SettingError, match="count must be at least 2"):
        MembersConfig(count=1)
