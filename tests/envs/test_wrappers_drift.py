"""Users whose taste drifts: what they take elsewhere, seeds, rows, and whom they resemble."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import N_ITEMS, EvenUser, make_log
from gymnasium.utils.env_checker import check_env, data_equivalence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_by_row import alone, together
from test_vector import MODES

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.wrappers import TasteDrift, VectorTasteDrift
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*different from the unwrapped version"),
]
ID = "LLMRec/TrueTaste-v1"


def test_the_checker_has_nothing_to_say(true_user: TrueTasteUser) -> None:
    env = gym.make(ID, simulator=true_user, observation="both")
    check_env(TasteDrift(env, rate=0.5, at_start=2), skip_render_check=True)


def test_a_user_takes_what_another_took_in_their_order(even_user: EvenUser) -> None:
    env = TasteDrift(gym.make(ID, simulator=even_user, observation="history"), 1.0, at_start=1)
    history, info = env.reset(seed=0, options={"user_id": "ann"})
    rules, (companion,) = env.unwrapped.rules, env.drift.companions
    theirs = rules.initial_histories.log.sequence(companion).tolist()
    assert companion != rules.users[0]
    assert history[-4:].tolist() == [0, 1, 2, theirs[0]]
    assert info["action_mask"].tolist() == [i not in {0, 1, 2, theirs[0]} for i in range(N_ITEMS)]
    history, reward, *_, info = env.step(7)  # skipped, and then the next of theirs is taken
    assert reward == pytest.approx(0.07)
    assert (info["accepted"], rules.patience_left[0]) == (False, 4)
    assert history[-2:].tolist() == theirs[:2]
    assert not info["action_mask"][[7, *theirs[:2]]].any()
    assert env.drift.counts.tolist() == [2]


def test_no_rate_is_the_environment_as_it_was(true_user: TrueTasteUser) -> None:
    plain = gym.make(ID, simulator=true_user)
    still = TasteDrift(gym.make(ID, simulator=true_user), rate=0.0)
    assert data_equivalence(plain.reset(seed=3), still.reset(seed=3))
    still.step(5)
    assert still.drift.counts.tolist() == [0]


def test_the_last_item_is_never_taken_away(even_user: EvenUser) -> None:
    env = TasteDrift(gym.make(ID, simulator=even_user, patience=50), 1.0, at_start=N_ITEMS)
    for seed in range(4):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            assert info["action_mask"].any()
            action = env.action_space.sample(info["action_mask"])
            *_, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        assert terminated


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_each_row_is_the_single_environment_with_its_own_seed(
    true_user: TrueTasteUser, data: st.DataObject
) -> None:
    num_envs = data.draw(st.integers(1, 4), label="num_envs")
    seed = data.draw(st.integers(0, 1_000), label="seed")
    autoreset = data.draw(st.sampled_from(MODES), label="autoreset")
    drift = {
        "rate": data.draw(st.sampled_from([0.0, 0.3, 1.0]), label="rate"),
        "at_start": data.draw(st.integers(0, 3), label="at_start"),
    }
    kwargs: dict[str, Any] = {
        "simulator": true_user,
        "patience": data.draw(st.integers(1, 4), label="patience"),
        "observation": "both",
        "max_episode_steps": data.draw(st.sampled_from([1, 4, 50]), label="limit"),
        "action_mask": True,
    }
    actions = np.random.default_rng(seed).integers(60, size=(20, num_envs))
    envs = gym.make_vec(ID, num_envs=num_envs, autoreset=autoreset, **kwargs)
    rows = together(VectorTasteDrift(envs, **drift), seed, actions)
    for i, row in enumerate(rows):
        env = TasteDrift(gym.make(ID, **kwargs), **drift)
        expected = list(alone(env, seed + i, actions[:, i].tolist(), autoreset))
        assert len(row) == len(expected)
        for mine, theirs in zip(row, expected, strict=True):
            assert data_equivalence(mine, theirs, exact=True)


def test_users_come_to_resemble_their_companions(true_user: TrueTasteUser) -> None:
    """Their true taste points more to that of the companion, on average."""
    world = true_user.world
    rows = world.user_rows(true_user.users.user_ids)
    likeness = []
    for at_start in (0, 5):
        envs = gym.make_vec(ID, num_envs=100, simulator=true_user)
        envs = VectorTasteDrift(envs, rate=0.0, at_start=at_start)
        envs.reset(seed=0)
        theirs = world.tastes[rows[envs.drift.companions]]
        taste = envs.unwrapped.rules.session._mind.taste
        cosines = (taste * theirs).sum(1)
        cosines /= np.linalg.norm(taste, axis=1) * np.linalg.norm(theirs, axis=1)
        likeness.append(cosines.mean())
    assert likeness[1] > likeness[0] + 0.05


def test_a_language_user_drifts_by_the_same_history() -> None:
    env = TasteDrift(gym.make("LLMRec/NextItem-v1", observation="both"), rate=1.0)
    env.reset(seed=1)
    observation, *_ = env.step(3)
    rules = env.unwrapped.rules
    assert env.drift.counts.tolist() == [1]
    history = rules.recent[0][rules.recent[0] < rules.n_items]
    expected = env.unwrapped.simulator.open([history]).states[0]
    size = len(expected)
    np.testing.assert_allclose(observation["state"][:size], expected, atol=1e-3)


def test_it_is_copied_and_made_again_from_its_spec(true_user: TrueTasteUser) -> None:
    env = TasteDrift(gym.make(ID), rate=0.5, at_start=1)
    again = gym.make(env.spec)
    env.reset(seed=1)
    again.reset(seed=1)
    for item in range(4):
        assert data_equivalence(again.step(item), env.step(item))
    twin = copy.deepcopy(env)
    assert twin.drift is twin.unwrapped.rules.elsewhere
    assert data_equivalence(twin.step(9), env.step(9))


def test_wrong_settings_are_refused(even_user: EvenUser) -> None:
    with pytest.raises(SettingError, match="rate must lie between 0 and 1, got 2"):
        TasteDrift(gym.make(ID, simulator=even_user), rate=2)
    with pytest.raises(SettingError, match="at_start must be a whole number of at least 0"):
        TasteDrift(gym.make(ID, simulator=even_user), at_start=-1)
    with pytest.raises(SettingError, match="drift already"):
        TasteDrift(TasteDrift(gym.make(ID, simulator=even_user)))
    lonely = EvenUser(make_log({"ann": [0, 1, 2, 3]}))
    with pytest.raises(SettingError, match="there is only one"):
        TasteDrift(gym.make(ID, simulator=lonely))
