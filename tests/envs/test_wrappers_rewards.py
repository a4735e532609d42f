"""Wrappers of rewards: sums that must hold, rows like the single environment, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from even_user import EvenUser, make_log
from gymnasium.utils.env_checker import check_env, data_equivalence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_by_row import alone, together
from test_vector import MODES

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.envs.wrappers import (
    DiversityReward,
    NoveltyReward,
    RetentionReward,
    ReturnAtEnd,
    VectorDiversityReward,
    VectorNoveltyReward,
    VectorRetentionReward,
    VectorReturnAtEnd,
)
from llmrec_env.users.item_space import item_space_of
from llmrec_env.users.true_taste import TrueTasteUser

pytestmark = [
    pytest.mark.core,
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*different from the unwrapped version"),
]
ID = "LLMRec/TrueTaste-v1"
Wrap = Callable[..., Any]
PAIRS: dict[str, tuple[Wrap, Wrap, dict[str, Any]]] = {
    "retention": (RetentionReward, VectorRetentionReward, {"stay": 0.25, "leave": 2.0}),
    "novelty": (NoveltyReward, VectorNoveltyReward, {"weight": 0.75}),
    "shown": (DiversityReward, VectorDiversityReward, {"weight": 0.5, "window": 3}),
    "taken": (DiversityReward, VectorDiversityReward, {"weight": 2.0, "among": "taken"}),
    "return": (ReturnAtEnd, VectorReturnAtEnd, {}),
}
SHAPING = [name for name in PAIRS if name != "return"]
every_wrapper = pytest.mark.parametrize("name", PAIRS)


@every_wrapper
def test_the_checker_has_nothing_to_say(name: str, true_user: TrueTasteUser) -> None:
    single, _, kwargs = PAIRS[name]
    check_env(single(gym.make(ID, simulator=true_user), **kwargs), skip_render_check=True)


@every_wrapper
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_each_row_is_the_single_environment_with_its_own_seed(
    name: str, true_user: TrueTasteUser, data: st.DataObject
) -> None:
    single, vector, weights = PAIRS[name]
    num_envs = data.draw(st.integers(1, 4), label="num_envs")
    seed = data.draw(st.integers(0, 1_000), label="seed")
    autoreset = data.draw(st.sampled_from(MODES), label="autoreset")
    kwargs: dict[str, Any] = {
        "simulator": true_user,
        "patience": data.draw(st.integers(1, 4), label="patience"),
        "reward_on": data.draw(st.sampled_from(["shown", "accept"]), label="reward_on"),
        "max_episode_steps": data.draw(st.sampled_from([1, 3, 50]), label="limit"),
    }
    actions = np.random.default_rng(seed).integers(60, size=(20, num_envs))
    envs = gym.make_vec(ID, num_envs=num_envs, autoreset=autoreset, action_mask=True, **kwargs)
    rows = together(vector(envs, **weights), seed, actions)
    for i, row in enumerate(rows):
        env = single(gym.make(ID, action_mask=True, **kwargs), **weights)
        expected = list(alone(env, seed + i, actions[:, i].tolist(), autoreset))
        assert len(row) == len(expected)
        for mine, theirs in zip(row, expected, strict=True):
            assert data_equivalence(mine, theirs, exact=True)


def episode(env: gym.Env, seed: int) -> list[tuple[float, bool, bool, dict[str, Any]]]:
    """What every step of an episode under random items brings."""
    env.reset(seed=seed)
    generator = np.random.default_rng(seed)
    steps: list[tuple[float, bool, bool, dict[str, Any]]] = []
    while not steps or not (steps[-1][1] or steps[-1][2]):
        steps.append(env.step(generator.integers(60))[1:])
    return steps


@pytest.mark.parametrize("name", SHAPING)
def test_the_reward_is_the_original_and_the_terms(name: str, true_user: TrueTasteUser) -> None:
    wrap, _, kwargs = PAIRS[name]
    for seed in range(5):
        plain = episode(gym.make(ID, simulator=true_user), seed)
        shaped = episode(wrap(gym.make(ID, simulator=true_user), **kwargs), seed)
        for (reward, *_, before), (total, *_, info) in zip(plain, shaped, strict=True):
            terms = {k: v for k, v in info["rewards"].items() if k not in before["rewards"]}
            assert info["original_reward"] == reward
            assert total == pytest.approx(reward + sum(terms.values()))
            assert {k: info["rewards"][k] for k in before["rewards"]} == before["rewards"]


def test_the_return_at_the_end_is_the_sum_cut_off_or_not(true_user: TrueTasteUser) -> None:
    ends = set()
    kwargs: dict[str, Any] = {"simulator": true_user, "patience": 2, "max_episode_steps": 3}
    for seed in range(20):
        plain = episode(gym.make(ID, **kwargs), seed)
        *early, last = episode(ReturnAtEnd(gym.make(ID, **kwargs)), seed)
        assert [reward for reward, *_ in early] == [0.0] * (len(plain) - 1)
        assert last[0] == pytest.approx(sum(reward for reward, *_ in plain))
        assert [i["original_reward"] for *_, i in [*early, last]] == [r for r, *_ in plain]
        ends.add(last[1:3])
    assert ends >= {(True, False), (False, True)}


def test_a_return_does_not_carry_over_a_reset_in_the_middle(even_user: EvenUser) -> None:
    env = ReturnAtEnd(gym.make(ID, simulator=even_user, max_episode_steps=2))
    env.reset(options={"user_id": "ann"})
    env.step(8)
    env.reset(options={"user_id": "ann"})
    env.step(6)
    assert env.step(4)[1] == pytest.approx(0.10)
    envs = gym.make_vec(ID, num_envs=2, simulator=even_user, max_episode_steps=2)
    envs = VectorReturnAtEnd(envs)
    envs.reset(options={"user_id": ["ann", "ann"]})
    envs.step(np.array([8, 8]))
    envs.reset(options={"reset_mask": np.array([True, False]), "user_id": ["ann", None]})
    assert envs.step(np.array([6, 6]))[1].tolist() == [0.0, pytest.approx(0.14)]


def test_the_return_is_of_everything_that_is_paid_inside(even_user: EvenUser) -> None:
    env = ReturnAtEnd(RetentionReward(gym.make(ID, simulator=even_user, patience=1), 0.5, 3.0))
    env.reset(options={"user_id": "ann"})
    assert env.step(6)[1] == 0.0
    _, reward, terminated, _, info = env.step(5)
    assert terminated
    assert reward == pytest.approx(0.06 + 0.5 + 0.05 - 3.0)
    assert info["original_reward"] == pytest.approx(0.05)


def test_gymnasiums_own_vector_environments_and_wrappers_go_with_it() -> None:
    envs = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    envs = VectorReturnAtEnd(envs)
    envs.reset(seed=1)
    total = np.zeros(2)
    for _ in range(60):
        _, rewards, terminated, truncated, infos = envs.step(np.zeros(2, dtype=np.int64))
        total += infos["original_reward"]
        ended = terminated | truncated
        assert (rewards == np.where(ended, total, 0.0)).all()
        total[ended] = 0.0


def test_who_leaves_out_of_patience_costs_and_who_stays_pays(even_user: EvenUser) -> None:
    env = RetentionReward(gym.make(ID, simulator=even_user, patience=2), stay=0.5, leave=3.0)
    _, info = env.reset(options={"user_id": "ann"})
    assert (info["rewards"]["stay"], info["rewards"]["leave"]) == (0.0, 0.0)
    assert env.step(6)[1] == pytest.approx(0.06 + 0.5)
    assert env.step(5)[1] == pytest.approx(0.05 + 0.5)
    _, reward, terminated, _, info = env.step(7)
    assert terminated
    assert reward == pytest.approx(0.07 - 3.0)
    assert (info["rewards"]["stay"], info["rewards"]["leave"]) == (0.0, -3.0)


def test_who_is_cut_off_or_has_seen_everything_has_not_left(even_user: EvenUser) -> None:
    env = RetentionReward(gym.make(ID, simulator=even_user, max_episode_steps=1))
    env.reset(options={"user_id": "ann"})
    assert env.step(5)[-1]["rewards"]["leave"] == 0.0
    env = RetentionReward(gym.make(ID, simulator=even_user, patience=50))
    env.reset(options={"user_id": "ann"})
    steps = [env.step(item) for item in [3, 4, 5, 6, 7, 8, 9, 11, 10]]
    assert steps[-1][2]
    assert not any(info["rewards"]["leave"] for *_, info in steps)


def test_rare_items_pay_more_as_far_as_they_are_liked(even_user: EvenUser) -> None:
    log = make_log({"a": [6, 6, 6, 8], "b": [6, 6, 8, 8], "c": [6, 6, 5, 5]})
    env = NoveltyReward(gym.make(ID, simulator=even_user, seen="pay_nothing"), weight=2.0, log=log)
    env.reset(options={"user_id": "ann"})
    bits = -np.log2(np.array([8, 4, 3, 1]) / 24)  # of 6, of 8, of 5, of an item that nobody took
    scaled = (bits - bits.min()) / (bits.max() - bits.min())
    for item, novelty in zip((6, 8, 5, 11), scaled, strict=True):
        _, reward, *_, info = env.step(item)
        liking = pytest.approx(item / 100)
        assert info["original_reward"] == liking
        assert info["rewards"]["novelty"] == pytest.approx(2.0 * novelty * item / 100)
        assert reward == pytest.approx((1.0 + 2.0 * novelty) * item / 100)
    assert env.step(11)[1] == 0.0  # seen


def test_novelty_follows_what_is_paid_and_the_users_of_the_simulator(even_user: EvenUser) -> None:
    env = NoveltyReward(gym.make(ID, simulator=even_user, reward_on="accept"))
    env.reset(options={"user_id": "ann"})
    assert env.step(5)[1] == 0.0  # liked a little, and skipped
    env = NoveltyReward(gym.make(ID, simulator=EvenUser(make_log({"ann": [0, 1, 2, 3]}, 4))))
    env.reset(seed=0)
    assert env.step(3)[-1]["rewards"]["novelty"] == 0.0  # all are alike


@pytest.mark.parametrize("among", ["shown", "taken"])
def test_what_is_unlike_the_session_pays_more(among: str, true_user: TrueTasteUser) -> None:
    points = item_space_of(true_user).points.astype(np.float64)
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    env = gym.make(ID, simulator=true_user, patience=50)
    env = DiversityReward(env, weight=0.5, window=4, among=among)
    env.reset(seed=2)
    session: list[int] = []
    for action in range(20, 40):
        _, reward, *_, info = env.step(action)
        item = int(env.unwrapped.outcome.items[0])  # another, where the user had seen that one
        distances = [(1.0 - directions[item] @ directions[other]) / 2.0 for other in session[-4:]]
        expected = 0.5 * np.mean(distances or [0.0]) * info["original_reward"]
        assert info["rewards"]["diversity"] == pytest.approx(expected)
        assert reward == pytest.approx(info["original_reward"] + expected)
        if among == "shown" or info["accepted"]:
            session.append(item)
    assert len(session) > 4


def test_the_order_of_rewards_does_not_matter(true_user: TrueTasteUser) -> None:
    def made() -> gym.Env:
        return gym.make(ID, simulator=true_user)

    one = episode(ReturnAtEnd(NoveltyReward(DiversityReward(RetentionReward(made())))), 4)
    other = episode(ReturnAtEnd(RetentionReward(DiversityReward(NoveltyReward(made())))), 4)
    assert one[-1][0] == pytest.approx(other[-1][0])
    for (*_, mine), (*_, theirs) in zip(one, other, strict=True):
        assert mine["rewards"] == theirs["rewards"]
        assert mine["original_reward"] == theirs["original_reward"] == mine["rewards"]["shown"]


@every_wrapper
def test_it_is_made_again_from_its_spec(name: str) -> None:
    single, _, kwargs = PAIRS[name]
    env = single(gym.make(ID), **kwargs)
    again = gym.make(env.spec)
    env.reset(seed=1)
    again.reset(seed=1)
    for item in range(3):
        assert data_equivalence(again.step(item), env.step(item))


def test_wrong_settings_are_refused(even_user: EvenUser) -> None:
    with pytest.raises(SettingError, match="leave must be a finite number, got nan"):
        RetentionReward(gym.make(ID), leave=float("nan"))
    with pytest.raises(SettingError, match="stay must be a finite number, got 'much'"):
        RetentionReward(gym.make(ID), stay="much")
    with pytest.raises(SettingError, match="is no environment whose users are shown items"):
        RetentionReward(gym.make("CartPole-v1"))
    with pytest.raises(SettingError, match="among must be one of"):
        DiversityReward(gym.make(ID), among="liked")
    with pytest.raises(SettingError, match="window must be a whole number of at least 1"):
        DiversityReward(gym.make(ID), window=0)
    with pytest.raises(DataError, match="log, for novelty: of another catalogue"):
        NoveltyReward(gym.make(ID, simulator=even_user), log=make_log({"a": [0]}, 3))
    with pytest.raises(DataError, match="log must be an InteractionLog, got list"):
        NoveltyReward(gym.make(ID, simulator=even_user), log=[0])
    side_by_side = gym.make_vec(ID, num_envs=2, vectorization_mode="sync")
    with pytest.raises(SettingError, match="runs several side by side"):
        VectorRetentionReward(side_by_side)
