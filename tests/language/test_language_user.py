"""Language users behind the environments' doors."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.testing import assert_allclose, assert_array_equal

import llmrec_env
from llmrec_env.common.arrays import IntArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.data.splits import Split
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.base import Branches, Labels, Response, Session, UserSimulator
from llmrec_env.users.language import LanguageUser

gym.register_envs(llmrec_env)

pytestmark = pytest.mark.core
ID = "LLMRec/NextItem-v1"


class Forced(UserSimulator):
    """A language user who takes every item of even number and no other."""

    def __init__(self, user: LanguageUser) -> None:
        self.user = user
        self.catalogue, self.state_size, self.users = user.catalogue, user.state_size, user.users

    def open(self, histories: Any, users: Any = None) -> Session:
        session = self.user.open(histories)
        respond = session.respond

        def forced(actions: IntArray) -> Response:
            return Response(respond(actions).reward, (actions % 2 == 0).astype(np.float32))

        session.respond = forced  # type: ignore[method-assign]
        return session


@pytest.fixture(scope="module")
def user(learned: LanguageEnvironment) -> LanguageUser:
    """Users of the learned LE, whose episodes start from the split's test users."""
    return LanguageUser(learned, accept_rate=0.4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("observation", ["state", "history", "both"])
def test_gymnasiums_checker_has_nothing_to_say(user: LanguageUser, observation: str) -> None:
    env = gym.make(ID, simulator=user, observation=observation)
    check_env(env.unwrapped)


def test_a_saved_folder_is_a_simulator(learned: LanguageEnvironment, tmp_path: Any) -> None:
    learned.save_pretrained(tmp_path / "le")
    env = gym.make(ID, simulator=tmp_path / "le", accept_rate=0.3)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert env.unwrapped.simulator.accept_rate == 0.3


def test_each_row_is_the_single_environment_under_forced_answers(user: LanguageUser) -> None:
    simulator, rows, steps = Forced(user), 3, 25
    actions = np.random.default_rng(0).integers(0, 60, (steps, rows))
    kwargs = {"simulator": simulator, "max_episode_steps": 9, "patience": 4}
    envs = gym.make_vec(ID, num_envs=rows, autoreset="same_step", **kwargs)
    singles = [gym.make(ID, **kwargs) for _ in range(rows)]
    together, _ = envs.reset(seed=7)
    alone = [env.reset(seed=7 + row)[0] for row, env in enumerate(singles)]
    assert_allclose(together, alone, atol=1e-5)
    for shown in actions:
        together, rewards, terminated, truncated, _ = envs.step(shown)
        for row, env in enumerate(singles):
            observation, reward, *ended, _ = env.step(shown[row])
            if any(ended):
                observation, _ = env.reset()
            assert ended == [terminated[row], truncated[row]]
            assert rewards[row] == pytest.approx(reward, abs=1e-5)
            assert_allclose(together[row], observation, atol=1e-5)


def test_the_same_seed_gives_the_same_episode(user: LanguageUser) -> None:
    env = gym.make(ID, simulator=user)
    episodes = []
    for _ in range(2):
        env.reset(seed=3)
        episodes.append([env.step(action)[:4] for action in range(4)])
    for first, second in zip(*episodes, strict=True):
        assert_array_equal(first[0], second[0])
        assert first[1:] == second[1:]


def test_a_copied_environment_goes_its_own_way(user: LanguageUser) -> None:
    env = gym.make(ID, simulator=user.with_accept_rate(0.9)).unwrapped
    env.reset(seed=1)
    for action in range(5):
        env.step(action)
    twin = copy.deepcopy(env)
    assert twin.simulator is env.simulator
    for action in range(20, 26):
        twin.step(action)
    fresh = copy.deepcopy(env)
    for action in range(30, 40):
        one, other = env.step(action), fresh.step(action)
        assert_array_equal(one[0], other[0])
        assert one[1:4] == other[1:4]


def test_labels_and_branches_are_what_a_walk_would_say(user: LanguageUser, split: Split) -> None:
    log = split.test.select_users([0, 1, 2])
    labels, walked = user.label(log), UserSimulator.label(user, log)
    assert_allclose(labels.states, walked.states, atol=1e-5)
    assert_allclose(labels.rewards, walked.rewards, atol=1e-5)
    actions = np.random.default_rng(0).integers(0, 60, (len(log), 2))
    tried, walked_tried = user.branch(log, actions), UserSimulator.branch(user, log, actions)
    assert_allclose(tried.rewards, walked_tried.rewards, atol=1e-5)
    assert_allclose(tried.states, walked_tried.states, atol=1e-5)
    assert isinstance(labels, Labels)
    assert isinstance(tried, Branches)


def test_candidates_are_scored_as_if_each_were_shown(user: LanguageUser, split: Split) -> None:
    histories = [sequence[:5] for sequence in split.test.sequences()]
    candidates = np.tile(np.arange(0, 60, 20), (len(histories), 1))
    scores = user.score(histories, candidates)
    session = user.open(histories)
    for column in range(3):
        shown = session.respond(candidates[:, column])
        assert_allclose(scores[:, column], shown.reward, atol=1e-5)


def test_preferences_follow_the_cosine(user: LanguageUser, split: Split) -> None:
    states = user.label(split.test).states
    logits = user.preferences(states)
    assert logits.shape == (len(split.test), 60)
    vectors = user.model.tables().vectors.detach().numpy()
    assert_array_equal(logits.argmax(1), (states @ vectors.T).argmax(1))


def test_states_lie_in_the_box(user: LanguageUser, split: Split) -> None:
    states = user.label(split.test).states
    assert states.dtype == np.float32
    assert np.linalg.norm(states, axis=1) == pytest.approx(np.ones(len(states)), abs=1e-5)


def test_other_users_can_be_brought(user: LanguageUser, split: Split) -> None:
    other = user.with_users(split.validation)
    assert other.users is split.validation
    assert user.users is not split.validation


def test_a_history_needs_an_item(user: LanguageUser) -> None:
    nothing = np.empty(0, dtype=np.int64)
    with pytest.raises(SimulatorError, match="at least one item"):
        user.open([np.array([1]), nothing])
    with pytest.raises(SimulatorError, match="at least one item"):
        user.score([nothing], np.array([[1, 2]]))


@pytest.mark.parametrize("history", [[99999], [-1], ["i1"], [0.5]])
def test_a_session_refuses_what_is_no_item(user: LanguageUser, history: list[Any]) -> None:
    with pytest.raises(SimulatorError, match="items are integers in"):
        user.open([np.array(history)])
    session = user.open([np.array([0])])
    with pytest.raises(SimulatorError, match="items are integers in"):
        session.respond(np.array(history))
    with pytest.raises(SimulatorError, match="one item for each of 1 users"):
        session.respond(np.array([0, 1]))
