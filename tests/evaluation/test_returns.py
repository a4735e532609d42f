"""Returns of policies: one adapter, paired by user and by luck."""

from __future__ import annotations

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import llmrec_env
from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.policies import PopularPolicy, RandomPolicy, SB3Policy
from llmrec_env.evaluation.returns import PolicyReturns, evaluate_policy
from llmrec_env.users.true_taste import TrueTasteUser

core = pytest.mark.core


@pytest.fixture(scope="module")
def simulator() -> TrueTasteUser:
    """The true users of a small world."""
    return TrueTasteUser(generate_world(seed=2, n_items=60, n_users=40), accept_rate=0.3)


class KnowingPolicy:
    """Knows the true taste: the state of a true user tells the whole mind."""

    def __init__(self, simulator: TrueTasteUser) -> None:
        self._simulator = simulator

    def action_scores(self, observation: dict[str, np.ndarray]) -> FloatArray:
        """The true utilities."""
        return self._simulator.preferences(observation["state"])


class FirstPolicy:
    """Always prefers item 0, then item 1, …"""

    observation = "history"

    def action_scores(self, observation: np.ndarray) -> FloatArray:
        """Falls with the index."""
        return np.tile(-np.arange(60, dtype=np.float32), (len(observation), 1))


@core
def test_knowing_the_taste_beats_random_and_popular_in_pairs(simulator: TrueTasteUser) -> None:
    knowing = evaluate_policy(KnowingPolicy(simulator), simulator, seed=1)
    for other in (RandomPolicy(0), PopularPolicy(simulator.users)):
        gain = knowing.difference(evaluate_policy(other, simulator, seed=1))
        assert 0 < gain.low < gain.mean < gain.high
    assert knowing.difference(knowing) == (0.0, 0.0, 0.0)


@core
def test_the_numbers_are_those_of_episodes_played_by_hand(simulator: TrueTasteUser) -> None:
    result = evaluate_policy(
        FirstPolicy(), simulator, episodes=5, seed=3, max_episode_steps=9, patience=3
    )
    forced = simulator.with_accept_rate(0.999999)
    taken = evaluate_policy(FirstPolicy(), forced, episodes=5, seed=3, max_episode_steps=9)
    assert taken.accepted.tolist() == taken.lengths.tolist() == [9] * 5
    for row, user_id in enumerate(taken.user_ids):
        env = gym.make("LLMRec/TrueTaste-v1", simulator=forced, max_episode_steps=9)
        _, info = env.reset(seed=0, options={"user_id": user_id})
        total = 0.0
        for _ in range(9):
            _, reward, *_, info = env.step(int(np.argmax(info["action_mask"])))
            total += reward
        assert taken.returns[row] == pytest.approx(total)
    assert result.user_ids == taken.user_ids
    assert (result.lengths <= 9).all()
    assert (result.accepted <= result.lengths).all()


@core
@pytest.mark.parametrize("batch_users", [1, 7, 64])
def test_neither_the_batch_nor_the_other_users_change_a_users_luck(
    simulator: TrueTasteUser, batch_users: int
) -> None:
    whole = evaluate_policy(FirstPolicy(), simulator, seed=4)
    part = evaluate_policy(FirstPolicy(), simulator, episodes=10, seed=4, batch_users=batch_users)
    assert part.user_ids == whole.user_ids[:10]
    np.testing.assert_array_equal(part.returns, whole.returns[:10])
    np.testing.assert_array_equal(part.accepted, whole.accepted[:10])
    np.testing.assert_array_equal(part.lengths, whole.lengths[:10])


@core
def test_each_eligible_user_plays_once(simulator: TrueTasteUser) -> None:
    result = evaluate_policy(RandomPolicy(0), simulator, seed=5)
    lengths = simulator.users.lengths
    assert len(set(result.user_ids)) == len(result.user_ids) == (lengths >= 4).sum()
    assert (result.lengths >= 5).all()


@core
def test_the_same_seed_gives_the_same_numbers(simulator: TrueTasteUser) -> None:
    policy = RandomPolicy(7)
    first, again = (evaluate_policy(policy, simulator, seed=6) for _ in range(2))
    np.testing.assert_array_equal(first.returns, again.returns)
    other = evaluate_policy(policy, simulator, seed=7)
    assert first.user_ids != other.user_ids


@core
def test_an_unmasked_policy_repeats_itself_and_bores_its_users(simulator: TrueTasteUser) -> None:
    popular = PopularPolicy(simulator.users)
    masked = evaluate_policy(popular, simulator, seed=8)
    unmasked = evaluate_policy(popular, simulator, seed=8, mask_seen=False, seen="pay_nothing")
    assert (unmasked.accepted <= 1).all()
    assert masked.difference(unmasked).low > 0
    assert (masked.summary()["mask_seen"], unmasked.summary()["mask_seen"]) == (True, False)


@core
def test_intervals_are_those_of_the_normal_approximation() -> None:
    def returns(values: list[float]) -> PolicyReturns:
        counts = np.ones(len(values), dtype=np.int64)
        ids = tuple(str(i) for i in range(len(values)))
        return PolicyReturns(ids, np.array(values), counts, counts, mask_seen=True, seed=0)

    result = returns([1.0, 2.0, 3.0, 4.0])
    half = 1.96 * np.std([1, 2, 3, 4], ddof=1) / 2
    assert result.mean == 2.5
    assert result.ci95 == pytest.approx((2.5 - half, 2.5 + half), abs=1e-3)
    assert result.difference(returns([0.0, 1.0, 2.0, 3.0])) == (1.0, 1.0, 1.0)
    assert returns([1.0]).ci95 == (-np.inf, np.inf)


@core
def test_what_cannot_be_paired_is_refused(simulator: TrueTasteUser) -> None:
    first = evaluate_policy(RandomPolicy(0), simulator, episodes=4, seed=0)
    second = evaluate_policy(RandomPolicy(0), simulator, episodes=4, seed=1)
    with pytest.raises(DataError, match=r"same users.*seeds 0 and 1"):
        first.difference(second)
    fewer = evaluate_policy(RandomPolicy(0), simulator, episodes=3, seed=0)
    with pytest.raises(DataError, match="4 and 3 users"):
        first.difference(fewer)


@core
@pytest.mark.parametrize("episodes", [0, 41])
def test_as_many_episodes_as_users_can_be_asked(simulator: TrueTasteUser, episodes: int) -> None:
    with pytest.raises(SettingError, match="number of eligible users"):
        evaluate_policy(RandomPolicy(0), simulator, episodes=episodes)


@core
def test_a_model_that_is_no_policy_is_refused(simulator: TrueTasteUser) -> None:
    with pytest.raises(SettingError, match="dict does not; wrap a model of stable-baselines3 in"):
        evaluate_policy({}, simulator)  # type: ignore[arg-type]


@core
def test_scores_of_another_shape_are_refused(simulator: TrueTasteUser) -> None:
    class Short:
        def action_scores(self, observation: Any) -> FloatArray:
            return np.zeros((1, 3), dtype=np.float32)

    with pytest.raises(DataError, match=r"Short.action_scores gave .* \(1, 3\); expected"):
        evaluate_policy(Short(), simulator, episodes=2)


@core
def test_a_policy_that_does_not_say_what_it_reads_is_told_what_it_was_passed(
    simulator: TrueTasteUser,
) -> None:
    class Counts:
        def action_scores(self, observation: Any) -> FloatArray:
            return np.zeros((len(observation), 60), dtype=np.float32)

    class Cuts:
        def action_scores(self, observation: Any) -> FloatArray:
            return np.asarray(observation[:, :3])

    said = r"has no attribute `observation`, so it was passed a dict of history \(4, 50\) and state"
    with pytest.raises(DataError, match=rf"\(2, 60\); expected \(4, 60\).*{said}"):
        evaluate_policy(Counts(), simulator, episodes=4)
    with pytest.raises(Exception, match="slice") as own:
        evaluate_policy(Cuts(), simulator, episodes=4)
    assert re.search(said, own.value.__notes__[0])
    Counts.observation = "state"  # type: ignore[attr-defined]
    assert len(evaluate_policy(Counts(), simulator, episodes=4).returns) == 4


@pytest.mark.parametrize("observation", ["state", "history", "both"])
@pytest.mark.parametrize("algorithm", ["PPO", "A2C", "DQN", "MaskablePPO", "QRDQN"])
def test_models_of_stable_baselines3_act_as_they_predict(
    simulator: TrueTasteUser, observation: str, algorithm: str
) -> None:
    home = "stable_baselines3" if algorithm in ("PPO", "A2C", "DQN") else "sb3_contrib"
    model_class = getattr(pytest.importorskip(home), algorithm)
    kind = "MultiInputPolicy" if observation == "both" else "MlpPolicy"
    env = llmrec_env.make_vec_env(3, simulator=simulator, observation=observation, history_length=6)
    model = model_class(kind, env, seed=0)
    batch = env.reset()
    scores = SB3Policy(model).action_scores(batch)
    assert scores.dtype == np.float32
    predicted, _ = model.predict(batch, deterministic=True)
    np.testing.assert_array_equal(scores.argmax(axis=1), predicted)
    result = evaluate_policy(SB3Policy(model), simulator, episodes=3, max_episode_steps=4)
    assert (result.lengths <= 4).all()


def test_models_that_score_no_items_are_refused(simulator: TrueTasteUser) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    contrib = pytest.importorskip("sb3_contrib")
    with pytest.raises(SettingError, match="judge this model with"):
        SB3Policy(sb3.PPO("MlpPolicy", "Pendulum-v1"))
    env = gym.make("LLMRec/TrueTaste-v1", simulator=simulator)
    with pytest.raises(SettingError, match="RecurrentPPO does not score"):
        SB3Policy(contrib.RecurrentPPO("MlpLstmPolicy", env))


def test_a_model_of_other_observations_is_refused_in_one_line(simulator: TrueTasteUser) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    from llmrec_env.envs.sb3 import make_vec_env

    envs = make_vec_env(2, simulator=simulator, candidates=5)
    policy = SB3Policy(sb3.PPO("MlpPolicy", envs, n_steps=2, batch_size=4))
    with pytest.raises(SettingError, match=r"the model sees \d+ numbers, and these users give"):
        evaluate_policy(policy, simulator, episodes=2)
    assert len(evaluate_policy(policy, simulator, episodes=2, candidates=5).returns) == 2
