"""The rules, seen from ``gym.make``: what a step pays, when an episode ends, what is told."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from even_user import N_ITEMS, SEQUENCES, EvenUser, make_log
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import data_equivalence

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError, SettingError, SimulatorError
from llmrec_env.envs.next_item.env import NextItemEnv
from llmrec_env.users.base import Histories, Response
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = pytest.mark.core
ANN = {"user_id": "ann"}


def make(simulator: object, **kwargs: object) -> gym.Env:
    return gym.make("LLMRec/NextItem-v1", simulator=simulator, **kwargs)


def test_an_unmet_item_pays_its_liking_taken_or_not(even_user: EvenUser) -> None:
    env = make(even_user)
    env.reset(seed=0, options=ANN)
    _, reward, terminated, truncated, info = env.step(7)
    assert reward == pytest.approx(0.07)
    assert (terminated, truncated) == (False, False)
    assert info["accepted"] is False
    assert info["rewards"] == {"shown": pytest.approx(0.07), "accept": 0.0, "chance": 0.0}
    _, reward, _, _, info = env.step(8)
    assert reward == pytest.approx(0.08)
    assert info["accepted"] is True
    assert info["rewards"]["accept"] == pytest.approx(0.08)
    assert (info["user_id"], info["item_id"], info["title"]) == ("ann", "i8", "i8")


def test_reward_on_accept_pays_only_what_is_taken(even_user: EvenUser) -> None:
    env = make(even_user, reward_on="accept")
    env.reset(options=ANN)
    assert env.step(7)[1] == 0.0
    assert env.step(8)[1] == pytest.approx(0.08)


def test_reward_on_chance_pays_how_likely_it_is_taken(even_user: EvenUser) -> None:
    env = make(even_user, reward_on="chance", seen="pay_nothing")
    env.reset(options=ANN)
    assert [env.step(item)[1] for item in (7, 8, 8)] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("seen", [2, 8, 7], ids=["in the opening", "taken", "skipped"])
def test_a_met_item_pays_nothing_is_never_taken_and_costs_patience(
    even_user: EvenUser, seen: int
) -> None:
    env = make(even_user, patience=4, seen="pay_nothing")
    env.reset(options=ANN)
    if seen > 5:
        env.step(seen)
    before = env.unwrapped.rules.patience_left[0]
    observation, reward, _, _, info = env.step(seen)
    assert (reward, info["accepted"]) == (0.0, False)
    assert observation[EvenUser.PATIENCE_LEFT] == pytest.approx((before - 1) / 4)


def test_a_met_item_consumes_its_draw(true_user: TrueTasteUser) -> None:
    env = make(true_user)
    _, info = env.reset(seed=5)
    seen, unseen = np.flatnonzero(info["action_mask"] == 0)[0], np.argmax(info["action_mask"])
    generators = []
    for action in (seen, unseen):
        env.reset(seed=5)
        env.step(action)
        generators.append(env.unwrapped.np_random.random())
    assert generators[0] == generators[1]


def test_taking_restores_patience_and_skips_in_a_row_end_the_episode(even_user: EvenUser) -> None:
    env = make(even_user, patience=3)
    env.reset(options=ANN)
    ends = [env.step(action)[2] for action in (3, 5, 4, 7, 9, 11)]
    assert ends == [False, False, False, False, False, True]
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(6)


def test_meeting_every_item_ends_the_episode(even_user: EvenUser) -> None:
    env = make(even_user, patience=N_ITEMS)
    env.reset(options=ANN)
    ends = [env.step(action)[2] for action in range(3, N_ITEMS)]
    assert ends == [False] * (N_ITEMS - 4) + [True]
    assert not env.unwrapped.action_masks().any()


def test_the_limit_truncates_and_does_not_terminate(even_user: EvenUser) -> None:
    env = make(even_user, max_episode_steps=2)
    observation, _ = env.reset(options=ANN)
    assert observation[EvenUser.STEPS_LEFT] == 1.0
    observation, *_ = env.step(4)
    assert observation[EvenUser.STEPS_LEFT] == 0.5
    observation, _, terminated, truncated, _ = env.step(6)
    assert observation[EvenUser.STEPS_LEFT] == 0.0
    assert (terminated, truncated) == (False, True)


@pytest.mark.parametrize(("limit", "left"), [(None, 1 - 1 / 50), (-1, 1.0), (4, 0.75)])
def test_the_observation_counts_the_steps_of_the_limit_in_force(
    even_user: EvenUser, limit: int | None, left: float
) -> None:
    env = make(even_user, max_episode_steps=limit)
    env.reset(options=ANN)
    assert env.step(4)[0][EvenUser.STEPS_LEFT] == pytest.approx(left)
    direct = NextItemEnv(even_user)
    direct.reset(options=ANN)
    assert direct.step(4)[0][EvenUser.STEPS_LEFT] == 1.0


def test_the_state_is_joined_with_patience_and_the_last_answer(even_user: EvenUser) -> None:
    env = make(even_user, patience=4, shown_length=0)
    observation, _ = env.reset(options=ANN)
    np.testing.assert_allclose(observation, [0.6, 1 / 3, 1.0, 1.0, 0.0], rtol=1e-6)
    observation, *_ = env.step(5)
    np.testing.assert_allclose(observation, [0.6, 1 / 3, 0.75, 0.98, -1.0], rtol=1e-6)
    observation, *_ = env.step(6)
    np.testing.assert_allclose(observation, [0.6, 1 / 4, 1.0, 0.96, 1.0], rtol=1e-6)


def test_the_history_is_right_aligned_and_grows_by_what_is_taken(even_user: EvenUser) -> None:
    env = make(even_user, observation="history", history_length=5)
    observation, _ = env.reset(options=ANN)
    assert observation.tolist() == [N_ITEMS, N_ITEMS, 0, 1, 2]
    for action in (7, 8, 4, 6):
        observation, *_ = env.step(action)
    assert observation.tolist() == [1, 2, 8, 4, 6]
    short = make(even_user, observation="both", history_length=2)
    assert short.reset(options=ANN)[0]["history"].tolist() == [1, 2]


def test_episodes_open_with_the_first_half_of_a_sequence() -> None:
    env = make(EvenUser(make_log({"zoe": [0, 1, 2, 3, 4, 5, 6, 7, 8]})), observation="history")
    observation, info = env.reset()
    assert observation[-5:].tolist() == [N_ITEMS, 0, 1, 2, 3]
    assert info["user_id"] == "zoe"
    assert np.flatnonzero(info["action_mask"] == 0).tolist() == [0, 1, 2, 3]


def test_users_are_drawn_with_the_seed_among_those_with_enough_items(even_user: EvenUser) -> None:
    env = make(even_user)
    drawn = [env.reset(seed=seed)[1]["user_id"] for seed in range(20)]
    assert set(drawn) == {"ann", "bob"}
    assert drawn == [env.reset(seed=seed)[1]["user_id"] for seed in range(20)]
    again = [env.reset()[1]["user_id"] for _ in range(20)]
    assert set(again) == {"ann", "bob"}


def test_the_mask_says_what_is_unmet(even_user: EvenUser) -> None:
    env = make(even_user)
    _, info = env.reset(options=ANN)
    env.action_space.seed(0)
    for _ in range(N_ITEMS - 3):
        action = env.action_space.sample(info["action_mask"])
        assert env.get_wrapper_attr("action_masks")()[action]
        *_, info = env.step(action)
        assert not info["action_mask"][action]
        if not any(info["action_mask"]):
            break


def test_without_a_mask_the_met_items_are_listed(even_user: EvenUser) -> None:
    env = make(even_user, action_mask=False)
    _, info = env.reset(options=ANN)
    assert "action_mask" not in info
    assert info["seen"].tolist() == [0, 1, 2]
    assert env.step(8)[4]["seen"].tolist() == [0, 1, 2, 8]


def test_large_catalogues_list_the_met_items_by_default() -> None:
    env = make(EvenUser(make_log(SEQUENCES, n_items=50_001)))
    _, info = env.reset(options=ANN)
    assert "action_mask" not in info
    assert info["seen"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_made_in_the_middle_goes_on_alike_and_apart(
    true_user: TrueTasteUser, duplicate: object
) -> None:
    env = make(true_user, observation="both")
    env.reset(seed=2)
    env.step(3)
    twin = duplicate(env)
    after = [env.step(action) for action in (7, 8, 9)]
    for mine, theirs in zip(after, [twin.step(action) for action in (7, 8, 9)], strict=True):
        assert data_equivalence(mine, theirs, exact=True)


def test_copies_share_the_simulator(even_user: EvenUser) -> None:
    env = make(even_user)
    assert copy.deepcopy(env).unwrapped.simulator is even_user


def test_users_may_come_from_another_log(even_user: EvenUser) -> None:
    env = make(even_user, users=make_log({"joe": [5, 6, 7, 8]}))
    assert env.reset()[1]["user_id"] == "joe"


def test_the_accept_rate_is_handed_to_the_simulator(true_user: TrueTasteUser) -> None:
    env = make(true_user, accept_rate=0.8)
    assert env.unwrapped.simulator.accept_rate == 0.8
    assert true_user.accept_rate == 0.3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": "5"}, "patience must be a whole number of at least 1, got '5'"),
        ({"patience": 0}, "patience must be a whole number of at least 1"),
        ({"history_length": 0}, "history_length must be a whole number of at least 1"),
        ({"observation": "text"}, "observation must be one of"),
        ({"reward_on": "click"}, "reward_on must be one of"),
        ({"accept_rate": 1.5}, "accept_rate must lie between 0 and 1"),
    ],
)
def test_settings_out_of_range_are_refused(
    even_user: EvenUser, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        make(even_user, **settings)


def test_an_unknown_render_mode_is_refused(even_user: EvenUser) -> None:
    with pytest.raises(SettingError, match="render_mode"):
        NextItemEnv(even_user, render_mode="rgb_array")


@pytest.mark.parametrize(
    ("simulator", "message"),
    [(42, "UserSimulator"), ("no/such/folder", "no folder 'no/such/folder'")],
)
def test_what_is_no_simulator_is_refused(simulator: object, message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        make(simulator)


def test_users_are_asked_for_where_the_simulator_brings_none(even_user: EvenUser) -> None:
    even_user.users = None
    with pytest.raises(SimulatorError, match="pass users="):
        make(even_user)


def test_users_who_cannot_start_an_episode_are_refused(even_user: EvenUser) -> None:
    with pytest.raises(DataError, match="at least 4 interactions"):
        make(even_user, users=make_log({"eve": [1, 2, 3]}))
    with pytest.raises(DataError, match="of another catalogue"):
        make(even_user, users=make_log({"joe": [1, 2, 3, 4]}, n_items=5))
    with pytest.raises(DataError, match="InteractionLog"):
        make(even_user, users=["ann"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"user_id": "nobody"}, DataError, "user 'nobody' is not among the . held-out users"),
        ({"user_id": "eve"}, DataError, "at least 4"),
        ({"user": "ann"}, SettingError, "unknown reset option 'user'"),
    ],
)
def test_a_reset_that_cannot_be_is_refused(
    even_user: EvenUser, options: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(even_user).reset(options=options)


@pytest.mark.parametrize("action", [-1, N_ITEMS, 1.5, [1, 2]])
def test_an_action_that_is_no_item_is_refused(even_user: EvenUser, action: object) -> None:
    env = make(even_user)
    env.reset()
    with pytest.raises(InvalidAction):
        env.step(action)


def test_step_before_reset_is_refused(even_user: EvenUser) -> None:
    with pytest.raises(ResetNeeded, match="reset"):
        NextItemEnv(even_user).step(0)


class BrokenUser(EvenUser):
    """Answers with a liking that is no number."""

    def answer(self, histories: Histories, actions: IntArray) -> Response:
        """NaN for everyone."""
        nothing: FloatArray = np.full(len(actions), np.nan, dtype=np.float32)
        return Response(nothing, nothing)


def test_a_simulator_that_answers_nonsense_is_named() -> None:
    env = make(BrokenUser(make_log(SEQUENCES)))
    env.reset()
    with pytest.raises(SimulatorError, match=r"BrokenUser answered with reward = .* in \[0, 1\]"):
        env.step(8)
