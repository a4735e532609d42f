"""Candidates that simulated users choose: searched for only where a state has changed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SimulatorError
from llmrec_env.common.top_k import Pairs
from llmrec_env.envs.next_item.own_choice import SPARE
from llmrec_env.envs.next_item.users_now import UsersNow
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
NAME = "LLMRec/NextItem-v1"
ROWS = 6


def played(env: Any, steps: int, starts: list[str] | None = None) -> list[tuple[Any, Any]]:
    """Observations and candidates of episodes with random places."""
    observations, infos = env.reset(seed=4, options={"user_id": starts} if starts else None)
    seen, rng = [(observations, infos["candidates"])], np.random.default_rng(1)
    for _ in range(steps):
        observations, *_, infos = env.step(rng.integers(env.single_action_space.n, size=ROWS))
        seen.append((observations, infos["candidates"]))
    return seen


def made(user: TrueTasteUser, retrieve: Any = None, **settings: Any) -> Any:
    """Six users at once."""
    settings = {"candidates": 5, "simulator": user, "retrieve": retrieve} | settings
    return gym.make_vec(NAME, num_envs=ROWS, **settings)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"patience": 3, "autoreset": "same_step"}, 30),
        ({"patience": 3, "autoreset": "next_step", "max_episode_steps": 7}, 30),
        ({"patience": 1000, "max_episode_steps": None}, SPARE * 3),  # lists are used up
        ({"patience": 1000, "max_episode_steps": None, "reward_on": "accept"}, 60),
    ],
)
def test_the_candidates_are_those_of_a_search_at_every_step(
    true_user: TrueTasteUser, settings: dict[str, Any], steps: int
) -> None:
    def afresh(users: UsersNow, k: int) -> tuple[IntArray, FloatArray]:
        return true_user.best_items(users.states, k, users.seen.pairs())

    ours = played(made(true_user, **settings), steps)
    theirs = played(made(true_user, afresh, **settings), steps)
    for (observation, candidates), (expected, named) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(candidates, named)
        np.testing.assert_allclose(observation, expected, atol=1e-6)


def test_only_users_with_another_state_are_asked_for(
    true_user: TrueTasteUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    best_items = TrueTasteUser.best_items

    def counted(
        self: TrueTasteUser, states: FloatArray, k: int, exclude: Pairs
    ) -> tuple[IntArray, FloatArray]:
        asked.append(len(states))
        return best_items(self, states, k, exclude)

    monkeypatch.setattr(TrueTasteUser, "best_items", counted)
    env = made(true_user, patience=1000, autoreset="disabled")
    env.reset(seed=0)
    assert asked == [ROWS]
    for _ in range(SPARE):
        asked.clear()
        accepted = env.step(np.zeros(ROWS, dtype=int))[-1]["accepted"]
        assert sum(asked) == accepted.sum()


def test_the_same_user_once_more_has_all_their_candidates_again(true_user: TrueTasteUser) -> None:
    env = made(true_user, patience=1000)
    users = ["u00003"] * ROWS
    first = played(env, 8, users)[0][1]
    np.testing.assert_array_equal(played(env, 8, users)[0][1], first)


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_has_lists_of_its_own(true_user: TrueTasteUser, twin: Any) -> None:
    env = made(true_user, patience=1000)
    played(env, 5)
    other = twin(env)
    for _ in range(5):
        env.step(np.ones(ROWS, dtype=int))
    alone = made(true_user, patience=1000)
    played(alone, 5)
    for _ in range(5):
        action = np.full(ROWS, 2)
        theirs, ours = other.step(action)[-1], alone.step(action)[-1]
        np.testing.assert_array_equal(theirs["candidates"], ours["candidates"])


def test_a_list_of_the_wrong_length_is_refused(
    true_user: TrueTasteUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(
        self: TrueTasteUser, states: FloatArray, k: int, exclude: Pairs
    ) -> tuple[IntArray, FloatArray]:
        return np.zeros((len(states), 3), np.int64), np.zeros((len(states), 3), np.float32)

    monkeypatch.setattr(TrueTasteUser, "best_items", short)
    with pytest.raises(SimulatorError, match=r"best_items gave \(6, 3\) items; expected \(6, 21\)"):
        made(true_user).reset(seed=0)
