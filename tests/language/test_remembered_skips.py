"""Users who remember what they skip: a full reading says the same, and an LE has to learn it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tiny_models import (
    ARCHITECTURES,
    N_ITEMS,
    TINY,
    mapped_means,
    random_log,
    tiny_le,
    window_start,
)
from torch.nn.functional import normalize

import llmrec_env
from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError, SettingError, SimulatorError
from llmrec_env.data.skips import Skips
from llmrec_env.data.splits import Split
from llmrec_env.language import read_ahead
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.decoding import Decoder
from llmrec_env.language.fitting import fit_language_environment
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.skipped import interleave, with_told
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.states_from import StatesFrom

gym.register_envs(llmrec_env)

pytestmark = pytest.mark.core
ID = "LLMRec/NextItem-v1"
TOLERANCE = 1e-4

items = st.integers(0, N_ITEMS - 1)
histories = st.lists(items, min_size=1, max_size=9)
answers = st.sampled_from(["takes", "skips", "nothing"])
steps = st.tuples(
    st.tuples(items, items, items),
    st.tuples(answers, answers, answers),
    st.none() | st.tuples(st.integers(0, 2), histories),
)


@pytest.fixture(scope="module", params=["qwen3", "gpt2", "gemma2"])
def model(request: pytest.FixtureRequest) -> LanguageEnvironment:
    """An LE that reads skips, of rotary, absolute and sliding positions."""
    return tiny_le(ARCHITECTURES[request.param], skips=True)


@pytest.fixture(scope="module")
def three_read_ahead() -> Iterator[None]:
    """Windows of as few as three users are read ahead, of each user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_ahead, "FEW_ROWS", 1)
        patch.setattr(read_ahead, "SPARE", 1)
        yield


@pytest.fixture(scope="module")
def user(learned: LanguageEnvironment) -> LanguageUser:
    """Users of the learned LE who remember what they skip."""
    return LanguageUser(learned, accept_rate=0.4, remember_skips=True)


class Walk:
    """A user's items, and what a plain reading of them says, without any cache of a session."""

    def __init__(self, model: LanguageEnvironment, history: list[int]) -> None:
        self.model, self.le = model, AnsweringLE(model)
        self.read = [(item, False) for item in history]

    def goes_on(self, item: int, answer: str) -> None:
        if answer != "nothing":
            self.read.append((item, answer == "skips"))

    @torch.no_grad()
    def state(self) -> FloatArray:
        taken = [item for item, skipped in self.read if not skipped]
        taken = taken[window_start(self.model, len(taken)) :]
        outputs = self._outputs(self.read)[-1]
        raw = mapped_means(self.model, self.le.tables.features[taken])
        raw = raw + self.model.heads.state_correction(outputs)
        return normalize(raw, dim=0).numpy()

    @torch.no_grad()
    def reward(self, action: int) -> float:
        hidden = self._outputs([*self.read, (action, False)], more=1)[-1]
        state, shown = torch.from_numpy(self.state()), torch.tensor(action)
        return float(self.le.appeal(hidden, state, shown))

    def _outputs(self, read: list[tuple[int, bool]], more: int = 0) -> torch.Tensor:
        read = read[window_start(self.model, len(read) - more) :]
        tokens = torch.tensor([[item for item, _ in read]])
        skipped = torch.tensor([[left for _, left in read]])
        return self.le.read(tokens, torch.tensor([len(read)]), skipped=skipped)[0]


@pytest.mark.usefixtures("three_read_ahead")
@pytest.mark.parametrize("remembers", [True, False])
@settings(max_examples=6, deadline=None)
@given(
    start=st.tuples(histories, histories, histories),
    walk=st.lists(steps, min_size=5, max_size=12),
    last=items,
)
def test_a_walk_with_skips_is_a_full_reading(
    model: LanguageEnvironment,
    remembers: bool,
    start: tuple[list[int], ...],
    walk: list[tuple[tuple[int, ...], tuple[str, ...], tuple[int, list[int]] | None]],
    last: int,
) -> None:
    users = [Walk(model, history) for history in start]
    opened = [np.array(history) for history in start]
    decoder = Decoder(AnsweringLE(model), opened, remember_skips=remembers)
    for shown, said, newcomer in walk:
        decoder.show(torch.tensor(shown))
        taken, left = (np.array([a == word for a in said]) for word in ("takes", "skips"))
        decoder.take(taken, left)
        for who, item, answer in zip(users, shown, said, strict=True):
            who.goes_on(item, answer if remembers or answer == "takes" else "nothing")
        if newcomer is not None:
            row, history = newcomer
            users[row] = Walk(model, history)
            decoder.restart(np.array([row]), [np.array(history)])
    for who, state in zip(users, decoder.states, strict=True):
        assert_allclose(state, who.state(), atol=TOLERANCE)
    _, rewards = decoder.show(torch.full((3,), last))
    for who, reward in zip(users, rewards.tolist(), strict=True):
        assert reward == pytest.approx(who.reward(last), abs=TOLERANCE)


def test_a_window_that_moves_was_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "FEW_ROWS", 1)
    monkeypatch.setattr(read_ahead, "SPARE", 1)
    model = tiny_le(ARCHITECTURES["qwen3"])
    decoder = Decoder(AnsweringLE(model), random_log([4, 5, 6, 6]).sequences())
    reads: list[int] = []
    read = AnsweringLE.read

    def counted(self: AnsweringLE, items: torch.Tensor, *rest: object) -> torch.Tensor:
        reads.append(len(items))
        return read(self, items, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(AnsweringLE, "read", counted)
    for step in range(6):
        decoder.show(torch.full((4,), step))
        decoder.take(np.ones(4, dtype=bool))
    # windows of 6 move by 3, of these users in five of the six steps and nine times in all
    assert len(reads) <= 3
    assert sum(reads) <= 10


def test_a_skip_moves_the_user_and_what_they_take_does_as_before(
    user: LanguageUser, split: Split
) -> None:
    history = [split.test.sequence(0)[:5]]
    forgetful = user.with_remember_skips(False).open(history)
    session = user.open(history)
    assert_array_equal(session.states, forgetful.states)
    for own in (session, forgetful):
        own.respond(np.array([50]))
        own.commit(np.array([True]))
    assert_allclose(session.states, forgetful.states, atol=1e-5)
    before = session.states
    for own in (session, forgetful):
        own.respond(np.array([51]))
        own.commit(np.array([False]))
    assert not np.allclose(session.states, before, atol=1e-6)
    assert_allclose(forgetful.states, before, atol=1e-5)


def test_who_was_not_shown_the_item_skips_nothing(user: LanguageUser, split: Split) -> None:
    session = user.open([split.test.sequence(row)[:4] for row in (0, 1)])
    before = session.states
    session.respond(np.array([40, 41]))
    after = session.commit(np.array([True, False]), skipped=np.array([False, False]))
    assert not np.allclose(after[0], before[0])
    assert_array_equal(after[1], before[1])


def test_copies_and_pickles_go_on_alike(user: LanguageUser, split: Split) -> None:
    def walk(session: object, first: int) -> FloatArray:
        for item in range(first, first + 9):  # moves the window of twelve
            session.respond(np.array([item, item + 1]))  # type: ignore[attr-defined]
            session.commit(np.array([item % 3 == 0, item % 2 == 0]))  # type: ignore[attr-defined]
        return np.asarray(session.states)  # type: ignore[attr-defined]

    session = user.open([split.test.sequence(row)[:6] for row in (0, 1)])
    walk(session, 20)
    twins = [copy.deepcopy(session), pickle.loads(pickle.dumps(session))]
    states = walk(session, 40)
    for twin in twins:
        assert_allclose(walk(twin, 40), states, atol=1e-6)
    assert pickle.loads(pickle.dumps(user)).remember_skips
    again = session.replace(np.array([1]), [split.test.sequence(2)[:5]])
    fresh = user.open([split.test.sequence(2)[:5]])
    assert_allclose(again[1], fresh.states[0], atol=1e-5)


@pytest.mark.parametrize("seen", ["replace", "pay_nothing"])
def test_an_environment_says_who_skipped(user: LanguageUser, seen: str) -> None:
    simulator = user.with_remember_skips(False)
    env = gym.make(ID, simulator=simulator, remember_skips=True, seen=seen, patience=9).unwrapped
    assert env.simulator.remember_skips
    assert not simulator.remember_skips
    env.reset(seed=1)
    size, skips = env.simulator.state_size, 0
    state = env.rules.session.states[0]
    for action in range(12):
        new = env.rules.seen.of(0)
        observation, _, _, _, info = env.step(action)
        if seen == "pay_nothing" and action in new:
            assert_array_equal(observation[:size], state)  # nothing was looked at
        elif not info["accepted"]:
            skips += 1
            assert not np.allclose(observation[:size], state, atol=1e-7)
        state = observation[:size]
    assert skips


def test_rows_that_do_not_play_skip_nothing(user: LanguageUser) -> None:
    slates = gym.make_vec("LLMRec/Slate-v0", num_envs=2, simulator=user, slate_size=3, patience=2)
    singles = [gym.make("LLMRec/Slate-v0", simulator=user, slate_size=3, patience=2) for _ in "ab"]
    together, _ = slates.reset(seed=3)
    alone = [env.reset(seed=3 + row)[0] for row, env in enumerate(singles)]
    rng, over = np.random.default_rng(0), [False, False]
    for _ in range(12):  # a row whose episode ended waits a step, and begins another
        shown = np.stack([rng.permutation(60)[:3] for _ in "ab"])
        together = slates.step(shown)[0]
        for row, env in enumerate(singles):
            if over[row]:
                alone[row], over[row] = env.reset()[0], False
            else:
                alone[row], _, ended, cut, _ = env.step(shown[row])
                over[row] = ended or cut
        assert_allclose(together, alone, atol=1e-5)


def test_an_le_that_never_learned_skips_refuses(split: Split, user: LanguageUser) -> None:
    config = replace(TINY, learning=replace(TINY.learning, read_skips=0.0, min_steps=2))
    never = fit_language_environment(split.train, split.validation, config=config)
    with pytest.raises(SimulatorError, match="never learned what a skipped item says"):
        LanguageUser(never, remember_skips=True)
    with pytest.raises(SimulatorError, match=r"LearningConfig\.read_skips above 0"):
        LanguageUser(never).with_remember_skips(True)
    with pytest.raises(SimulatorError, match="TrueTasteUser cannot remember skips"):
        gym.make("LLMRec/TrueTaste-v1", remember_skips=True)
    with pytest.raises(SettingError, match="remember_skips must be True, False or None"):
        gym.make(ID, simulator=user, remember_skips="yes")
    bag = replace(TINY, language_model=False, item_tokens=replace(TINY.item_tokens, steps=0))
    silent = fit_language_environment(split.train, split.validation, config=bag)
    with pytest.raises(SimulatorError, match="never learned"):
        LanguageUser(silent, remember_skips=True)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_of_batches_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(DataError, match="read_skips must lie in"):
        LearningConfig(read_skips=share)


def test_what_was_learned_is_saved(learned: LanguageEnvironment, tmp_path: Path) -> None:
    assert learned.heads.skip_token is not None
    assert bool(learned.heads.skip_token.any())
    learned.save_pretrained(tmp_path / "le")
    user = LanguageUser.from_pretrained(tmp_path / "le", remember_skips=True)
    assert user.remember_skips
    ours = LanguageUser(learned, remember_skips=True)
    histories = [np.array([1, 2, 3])] * 20  # many enough for the quick attention
    sessions = [own.open(histories) for own in (user, ours)]
    for item in (5, 6):
        one, other = (own.respond(np.full(20, item)).reward for own in sessions)
        assert_allclose(one, other, atol=1e-4)
        for own in sessions:
            own.commit(np.arange(20) % 2 == 0)
        assert_allclose(sessions[0].states, sessions[1].states, atol=1e-4)


def test_an_observer_may_remember_what_those_who_answer_do_not(
    user: LanguageUser, split: Split
) -> None:
    history = [split.test.sequence(0)[:5]]
    both = StatesFrom(user.with_remember_skips(False), user)
    assert both.remember_skips
    session, observer = both.open(history), user.open(history)
    for own in (session, observer):
        own.respond(np.array([7]))
        own.commit(np.array([False]), np.array([True]))
    assert_allclose(session.states, observer.states, atol=1e-6)


@given(
    n=st.integers(1, 8),
    after=st.lists(st.integers(0, 8), max_size=9).map(sorted),
    most=st.integers(2, 20),
)
def test_skipped_items_stand_where_they_were_shown(n: int, after: list[int], most: int) -> None:
    places = np.minimum(np.array(after, dtype=np.int64), n)
    taken, skipped = np.arange(n), 100 + np.arange(len(after))
    found = interleave(taken, skipped, places, most)
    everything: list[int] = []
    for place in range(n + 1):
        everything += skipped[places == place].tolist() + taken[place : place + 1].tolist()
    assert found.items.tolist() == everything[-most:]
    assert_array_equal(found.skipped, found.items >= 100)
    assert_array_equal(found.items[found.places], found.items[~found.skipped])


def test_the_logs_own_skips_are_read(split: Split) -> None:
    taken: IntArray = np.array([3, 4, 5])
    found = with_told(taken, np.array([8, 9, 7]), np.array([-1, 1, 3]), 9)
    assert found is not None
    assert found.items.tolist() == [3, 9, 4, 5]  # what came before and after belongs elsewhere
    log = split.train
    rows = pl.DataFrame(
        {
            "user_id": [log.user_ids[u] for u in range(log.n_users)],
            "item_id": [log.catalogue.ids[0]] * log.n_users,
            "after": [1] * log.n_users,
        }
    )
    config = replace(TINY, learning=replace(TINY.learning, read_skips=1.0))
    told, drawn = (
        fit_language_environment(own, split.validation, config=config)
        for own in (log.with_skips(rows), log)
    )
    assert isinstance(log.with_skips(rows).skips, Skips)
    ours, theirs = told.heads.skip_token, drawn.heads.skip_token
    assert ours is not None
    assert theirs is not None
    assert not torch.equal(ours, theirs)
