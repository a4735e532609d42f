"""The batched environment: auto-reset, infos, seeds, and each row like the single environment."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_by_row import alone, together

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.envs.common.infos import row_infos
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = [pytest.mark.core, pytest.mark.filterwarnings("error")]
BOTH = {"user_id": ["ann", "bob"]}
MODES = ("next_step", "same_step", "disabled")


def make_vec(simulator: object, num_envs: int = 2, **kwargs: object) -> gym.vector.VectorEnv:
    return gym.make_vec("LLMRec/NextItem-v1", num_envs=num_envs, simulator=simulator, **kwargs)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_each_row_is_the_single_environment_with_its_own_seed(
    true_user: TrueTasteUser, data: st.DataObject
) -> None:
    num_envs = data.draw(st.integers(1, 4), label="num_envs")
    seed = data.draw(st.integers(0, 10_000), label="seed")
    autoreset = data.draw(st.sampled_from(MODES), label="autoreset")
    limit = data.draw(st.sampled_from([1, 3, 7, 50]), label="limit")
    kwargs: dict[str, Any] = {
        "simulator": true_user,
        "patience": data.draw(st.integers(1, 4), label="patience"),
        "observation": data.draw(st.sampled_from(["state", "history", "both"]), label="kind"),
        "reward_on": data.draw(st.sampled_from(["shown", "accept", "chance"]), label="reward_on"),
        "history_length": 6,
        "max_episode_steps": limit,
        "action_mask": True,
    }
    items = data.draw(st.sampled_from([5, 60]), label="items")
    actions = np.random.default_rng(seed).integers(items, size=(25, num_envs))
    envs = gym.make_vec("LLMRec/TrueTaste-v1", num_envs=num_envs, autoreset=autoreset, **kwargs)
    rows = together(envs, seed, actions)
    for i, row in enumerate(rows):
        env = gym.make("LLMRec/TrueTaste-v1", **kwargs)
        expected = list(alone(env, seed + i, actions[:, i].tolist(), autoreset))
        assert len(row) == len(expected)
        for mine, theirs in zip(row, expected, strict=True):
            assert data_equivalence(mine, theirs, exact=True)


@pytest.mark.parametrize("observation", ["state", "history", "both"])
def test_it_speaks_like_gymnasiums_own_vector_environment(
    true_user: TrueTasteUser, observation: str
) -> None:
    kwargs: dict[str, Any] = {"observation": observation, "action_mask": True}
    ours = make_vec(true_user, 3, **kwargs)
    theirs = make_vec(true_user, 3, vectorization_mode="sync", **kwargs)
    for space in ("observation_space", "single_observation_space", "action_space"):
        assert getattr(ours, space) == getattr(theirs, space)
    mine, other = ours.reset(seed=4), theirs.reset(seed=4)
    for step in range(12):
        assert mine[0] in ours.observation_space
        assert set(mine[-1]) == set(other[-1])
        assert data_equivalence(mine[:-1], other[:-1], exact=True)
        actions = np.array([step, step + 1, 0])
        mine, other = ours.step(actions), theirs.step(actions)


def test_next_step_ignores_the_action_and_opens_a_new_episode(even_user: EvenUser) -> None:
    envs = make_vec(even_user, patience=1, autoreset="next_step", shown_length=0)
    envs.reset(options=BOTH)
    *_, terminations, _, infos = envs.step(np.array([7, 8]))
    assert terminations.tolist() == [True, False]
    assert infos["_item_id"].tolist() == [True, True]
    observation, rewards, terminations, _, infos = envs.step(np.array([6, 6]))
    assert rewards.tolist() == [0.0, pytest.approx(0.06)]
    assert not terminations.any()
    assert infos["item_id"].tolist() == ["", "i6"]
    np.testing.assert_allclose(observation[0], [0.6, 1 / 3, 1.0, 1.0, 0.0], rtol=1e-6)


def test_same_step_keeps_what_the_episode_ended_with(even_user: EvenUser) -> None:
    envs = make_vec(even_user, patience=1, autoreset="same_step", action_mask=True, shown_length=0)
    envs.reset(options=BOTH)
    observation, rewards, terminations, _, infos = envs.step(np.array([7, 8]))
    assert rewards.tolist() == [pytest.approx(0.07), pytest.approx(0.08)]
    assert terminations.tolist() == [True, False]
    assert infos["_final_obs"].tolist() == [True, False]
    np.testing.assert_allclose(infos["final_obs"][0], [0.6, 1 / 3, 0.0, 0.98, -1.0], rtol=1e-6)
    np.testing.assert_allclose(observation[0], [0.6, 1 / 3, 1.0, 1.0, 0.0], rtol=1e-6)
    final = row_infos(infos, envs.num_envs)[0]["final_info"]
    assert (final["user_id"], final["item_id"]) == ("ann", "i7")
    assert not final["action_mask"][7]
    assert infos["action_mask"][0].sum() == even_user.n_items - 3
    assert row_infos(infos, envs.num_envs)[0]["item_id"] == ""


def test_disabled_waits_for_the_callers_reset(even_user: EvenUser) -> None:
    envs = make_vec(even_user, patience=1, autoreset="disabled")
    envs.reset(seed=0, options=BOTH)
    before, *_ = envs.step(np.array([7, 8]))
    with pytest.raises(ResetNeeded, match=r"rows \[0\]"):
        envs.step(np.array([6, 6]))
    options = {"reset_mask": np.array([True, False]), "user_id": ["bob", None]}
    observation, infos = envs.reset(options=options)
    np.testing.assert_array_equal(observation[1], before[1])
    assert infos["user_id"].tolist() == ["bob", "bob"]
    assert infos["_user_id"].tolist() == [True, False]
    envs.step(np.array([6, 6]))


def test_truncation_is_not_termination(even_user: EvenUser) -> None:
    envs = make_vec(even_user, max_episode_steps=1)
    envs.reset(options=BOTH)
    *_, terminations, truncations, _ = envs.step(np.array([6, 7]))
    assert not terminations.any()
    assert truncations.all()
    assert envs.spec.max_episode_steps == 50
    endless = NextItemVectorEnv(2, simulator=even_user)
    assert endless.reset(options=BOTH)[0][0, EvenUser.STEPS_LEFT] == 1.0


def test_the_metadata_name_the_mode_where_gymnasium_has_names(even_user: EvenUser) -> None:
    names = {"next_step": "NextStep", "same_step": "SameStep", "disabled": "Disabled"}
    for autoreset, value in names.items():
        metadata = make_vec(even_user, autoreset=autoreset).metadata
        if hasattr(gym.vector, "AutoresetMode"):
            assert metadata["autoreset_mode"] == gym.vector.AutoresetMode(value)
        else:
            assert "autoreset_mode" not in metadata


def test_masks_are_by_request_and_always_at_hand(even_user: EvenUser) -> None:
    envs = make_vec(even_user)
    _, infos = envs.reset(options=BOTH)
    assert "action_mask" not in infos
    seen = [np.flatnonzero(~row).tolist() for row in envs.unwrapped.action_masks()]
    assert seen == [[0, 1, 2], [3, 4, 5]]


def test_seeds_may_be_one_or_one_a_row(true_user: TrueTasteUser) -> None:
    envs = make_vec(true_user, 3)
    first, _ = envs.reset(seed=7)
    assert envs.unwrapped.np_random_seed == (7, 8, 9)
    again, _ = envs.reset(seed=[7, 8, 9])
    np.testing.assert_array_equal(first, again)
    following, _ = envs.reset()
    envs.reset(seed=7)
    np.testing.assert_array_equal(following, envs.reset(seed=[None, None, None])[0])


@pytest.mark.parametrize("autoreset", MODES[:2])
def test_episode_statistics_are_recorded(true_user: TrueTasteUser, autoreset: str) -> None:
    if autoreset == "same_step" and not hasattr(gym.vector, "AutoresetMode"):
        pytest.skip("the wrapper of gymnasium 1.0 knows next_step only")
    envs = RecordEpisodeStatistics(make_vec(true_user, 4, autoreset=autoreset))
    envs.reset(seed=0)
    totals, lengths, resting = np.zeros(4), np.zeros(4, dtype=int), np.zeros(4, dtype=bool)
    for step in range(30):
        _, rewards, terminations, truncations, infos = envs.step(np.full(4, step))
        totals, lengths = np.where(resting, 0, totals + rewards), np.where(resting, 0, lengths + 1)
        ended = terminations | truncations
        for row in np.flatnonzero(ended):
            assert infos["episode"]["r"][row] == pytest.approx(totals[row])
            assert infos["episode"]["l"][row] == lengths[row]
        if autoreset == "same_step":
            totals[ended], lengths[ended] = 0.0, 0
        else:
            resting = ended
    assert envs.episode_count > 0


def test_a_copy_goes_on_alike(true_user: TrueTasteUser) -> None:
    envs = make_vec(true_user, 3, observation="both")
    envs.reset(seed=1)
    envs.step(np.array([1, 2, 3]))
    twin = copy.deepcopy(envs)
    for actions in np.arange(30).reshape(10, 3):
        assert data_equivalence(envs.step(actions), twin.step(actions), exact=True)


@pytest.mark.parametrize(
    "actions", [np.array([1]), np.array([0, 60]), np.array([0.0, 1.0]), np.array([-1, 0])]
)
def test_actions_that_are_no_items_are_refused(
    true_user: TrueTasteUser, actions: np.ndarray
) -> None:
    envs = make_vec(true_user)
    envs.reset()
    with pytest.raises(InvalidAction):
        envs.step(actions)


def test_what_does_not_fit_the_rows_is_refused(even_user: EvenUser) -> None:
    envs = make_vec(even_user)
    with pytest.raises(ResetNeeded, match="reset"):
        envs.step(np.array([0, 1]))
    with pytest.raises(ResetNeeded, match="every row"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(SettingError, match="seed must have one value for each of 2 rows"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(SettingError, match="user_id"):
        envs.reset(options={"user_id": "ann"})
    with pytest.raises(DataError, match="nobody"):
        envs.reset(options={"user_id": ["ann", "nobody"]})
    envs.reset()
    with pytest.raises(SettingError, match="reset_mask"):
        envs.reset(options={"reset_mask": [1, 0]})
    for wrong in ({"autoreset": "later"}, {"max_episode_steps": 0}, {"num_envs": 0}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            make_vec(even_user, **wrong)
