"""The policies for stable-baselines3 that share what they learn over the items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import SettingError
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.base import Histories, HistoryUser, Response

sb3 = pytest.importorskip("stable_baselines3")
contrib = pytest.importorskip("sb3_contrib")

from agents.sb3 import ItemPolicy, MaskableItemPolicy  # noqa: E402
from llmrec_env.envs.sb3 import make_vec_env  # noqa: E402
from llmrec_env.evaluation.policies import SB3Policy  # noqa: E402
from llmrec_env.evaluation.returns import PolicyReturns, evaluate_policy  # noqa: E402

N_ITEMS, WIDTH, STEPS = 400, 4, 10


def unit(vectors: FloatArray) -> FloatArray:
    """Rows of length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class DotUser(HistoryUser):
    """Taste is the mean direction of the items taken; liking is the dot product with it."""

    state_size = WIDTH

    def __init__(self, users: InteractionLog, vectors: FloatArray) -> None:
        self.catalogue, self.users, self.vectors = users.catalogue, users, vectors

    def encode(self, histories: Histories) -> FloatArray:
        return unit(np.stack([self.vectors[items].mean(axis=0) for items in histories]))

    def answer(self, histories: Histories, actions: IntArray) -> Response:
        cosine = (self.encode(histories) * self.vectors[actions]).sum(axis=1)
        liking = np.clip(0.5 + 0.5 * cosine, 0.0, 1.0)
        return Response(reward=liking, accept_probability=liking)


@pytest.fixture(scope="module")
def user(make_log: Any) -> DotUser:
    """Forty users, each with six items near a direction of their own."""
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(N_ITEMS, WIDTH)).astype(np.float32))
    nearest = [np.argsort(-vectors @ rng.normal(size=WIDTH))[:20] for _ in range(40)]
    sequences = [rng.permutation(items)[:6].tolist() for items in nearest]
    return DotUser(make_log(sequences, n_items=N_ITEMS), vectors)


def learn(algorithm: Any, policy: Any, user: DotUser, steps: int, **settings: Any) -> Any:
    env = make_vec_env(16, seed=0, simulator=user, max_episode_steps=STEPS, shown_length=0)
    model = algorithm(
        policy, env, n_steps=16, batch_size=64, gamma=0.5, seed=0, learning_rate=1e-3, **settings
    )
    return model.learn(steps)


def vectors_of(user: DotUser) -> dict[str, Any]:
    return {"policy_kwargs": {"item_vectors": user.vectors}}


def returns(model: Any, user: DotUser) -> PolicyReturns:
    return evaluate_policy(SB3Policy(model), user, max_episode_steps=STEPS)


def test_it_learns_faster_than_the_flat_head_where_liking_is_the_dot_product(user: DotUser) -> None:
    flat = learn(sb3.PPO, "MlpPolicy", user, steps=512)
    shared = learn(sb3.PPO, ItemPolicy, user, steps=512, **vectors_of(user))
    assert returns(shared, user).difference(returns(flat, user)).low > 0


def test_the_logits_are_a_linear_map_of_the_features_times_the_vectors(user: DotUser) -> None:
    model = learn(sb3.PPO, ItemPolicy, user, steps=256, **vectors_of(user))
    state = np.random.default_rng(1).uniform(-1, 1, (3, WIDTH + 3)).astype(np.float32)
    query = model.policy.action_net.query
    weight, bias = query.weight.detach().numpy(), query.bias.detach().numpy()
    raw = (state @ weight.T + bias) @ user.vectors.T
    scores = SB3Policy(model).action_scores(state)  # log-probabilities: logits up to a constant
    np.testing.assert_allclose(scores - scores[:, :1], raw - raw[:, :1], rtol=1e-4, atol=1e-5)
    assert np.abs(weight).max() > 0


def test_before_learning_every_item_is_as_likely_as_the_next(user: DotUser) -> None:
    model = learn(sb3.PPO, ItemPolicy, user, steps=0, **vectors_of(user))
    scores = SB3Policy(model).action_scores(np.ones((1, WIDTH + 3), dtype=np.float32))
    np.testing.assert_allclose(scores, -np.log(N_ITEMS), rtol=1e-5)


@pytest.mark.parametrize(
    ("algorithm", "policy"),
    [(sb3.PPO, ItemPolicy), (sb3.A2C, ItemPolicy), (contrib.MaskablePPO, MaskableItemPolicy)],
    ids=["ppo", "a2c", "maskable"],
)
def test_sb3s_own_save_and_load_keep_what_was_learned(
    user: DotUser, algorithm: Any, policy: Any, tmp_path: Path
) -> None:
    env = make_vec_env(4, seed=0, simulator=user, max_episode_steps=STEPS)
    model = algorithm(policy, env, n_steps=16, seed=0, **vectors_of(user)).learn(128)
    model.save(tmp_path / "model.zip")
    again = algorithm.load(tmp_path / "model.zip", env=env)
    np.testing.assert_array_equal(returns(again, user).returns, returns(model, user).returns)
    again.learn(64)


def test_the_policy_alone_can_be_saved(user: DotUser, tmp_path: Path) -> None:
    model = learn(sb3.PPO, ItemPolicy, user, steps=256, **vectors_of(user))
    model.policy.save(tmp_path / "policy.zip")
    again = ItemPolicy.load(tmp_path / "policy.zip")
    state = np.ones((2, WIDTH + 3), dtype=np.float32)
    np.testing.assert_array_equal(
        again.predict(state, deterministic=True)[0], model.predict(state, deterministic=True)[0]
    )


def test_maskable_ppo_draws_no_met_item(user: DotUser) -> None:
    model = learn(contrib.MaskablePPO, MaskableItemPolicy, user, steps=512, **vectors_of(user))
    env = gym.make("LLMRec/NextItem-v1", simulator=user, shown_length=0)
    observation, _ = env.reset(seed=0)
    for _ in range(10):
        mask = env.get_wrapper_attr("action_masks")()
        item, _ = model.predict(observation, action_masks=mask)
        assert mask[item]
        observation, *_, terminated, _, _ = env.step(item)
        if terminated:
            observation, _ = env.reset()


@pytest.mark.parametrize(
    "vectors",
    [np.ones((N_ITEMS - 1, 2)), np.ones(N_ITEMS), np.full((N_ITEMS, 2), np.nan)],
    ids=["too few", "one dimension", "nan"],
)
def test_vectors_that_do_not_fit_are_refused(user: DotUser, vectors: Any) -> None:
    env = make_vec_env(2, simulator=user)
    with pytest.raises(SettingError, match="item_vectors must be finite"):
        sb3.PPO(ItemPolicy, env, policy_kwargs={"item_vectors": vectors})


@pytest.mark.parametrize("observation", ["history", "both"])
def test_item_indices_are_no_features(user: DotUser, observation: str) -> None:
    env = make_vec_env(2, simulator=user, observation=observation)
    with pytest.raises(SettingError, match='observation="state"'):
        sb3.PPO(ItemPolicy, env, **vectors_of(user))
