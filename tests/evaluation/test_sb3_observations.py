"""Models of stable-baselines3 that learned behind wrappers of their observations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import wrappers

from llmrec_env.common.errors import SettingError
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.policies import SB3Policy
from llmrec_env.users.true_taste import TrueTasteUser

pytest.importorskip("stable_baselines3")
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecNormalize

from agents.sb3 import SequenceFeatures
from llmrec_env.envs.sb3 import make_vec_env

NAME = "LLMRec/TrueTaste-v1"
USER = TrueTasteUser(generate_world(seed=1, n_items=30, n_users=20))
Wrap = Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]


def rescaled(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    return wrappers.RescaleObservation(env, np.float32(0.0), np.float32(4.0))


def many(n: int, wrap: Wrap, **kwargs: Any) -> DummyVecEnv:
    return DummyVecEnv([lambda: wrap(gym.make(NAME, simulator=USER, **kwargs))] * n)


def learned(venv: Any, policy: str = "MlpPolicy", **settings: Any) -> PPO:
    return PPO(policy, venv, n_steps=8, batch_size=8, n_epochs=1, seed=0, **settings).learn(16)


def as_the_model_sees(model: PPO, observation: Any) -> Any:
    tensor, _ = model.policy.obs_to_tensor(observation)
    with torch.no_grad():
        return model.policy.get_distribution(tensor).distribution.logits.numpy()


def test_vec_normalize_is_taken_along(tmp_path: Path) -> None:
    venv = VecNormalize(make_vec_env(2, id=NAME, simulator=USER))
    model = learned(venv)
    raw = venv.get_original_obs()
    expected = as_the_model_sees(model, venv.normalize_obs(raw))
    np.testing.assert_allclose(SB3Policy(model).action_scores(raw), expected, rtol=1e-5)
    model.save(tmp_path / "model")
    with pytest.raises(SettingError, match="comes without its environment; pass observations="):
        SB3Policy(PPO.load(tmp_path / "model"))
    told = SB3Policy(PPO.load(tmp_path / "model"), venv.normalize_obs)
    np.testing.assert_allclose(told.action_scores(raw), expected, rtol=1e-5)
    attached = SB3Policy(PPO.load(tmp_path / "model", env=venv))
    np.testing.assert_allclose(attached.action_scores(raw), expected, rtol=1e-5)


@pytest.mark.parametrize("wrap", [wrappers.NormalizeObservation, rescaled])
def test_wrappers_of_single_environments_are_taken_along(wrap: Wrap, tmp_path: Path) -> None:
    venv = many(1, wrap)
    model = learned(venv)
    policy = SB3Policy(model)
    env: Any = venv.envs[0]
    raw, _ = env.unwrapped.reset(seed=5)
    if isinstance(env, wrappers.NormalizeObservation):
        env.update_running_mean = False
    scores = policy.action_scores(np.stack([raw, raw]))
    np.testing.assert_allclose(
        scores, as_the_model_sees(model, np.stack([env.observation(raw)] * 2)), rtol=1e-4
    )
    model.save(tmp_path / "model")
    with pytest.raises(SettingError, match="pass observations="):
        SB3Policy(PPO.load(tmp_path / "model"))


def test_a_loaded_model_that_saw_plain_states_is_served(tmp_path: Path) -> None:
    learned(make_vec_env(2, id=NAME, simulator=USER)).save(tmp_path / "model")
    assert SB3Policy(PPO.load(tmp_path / "model")).observation == "state"


@pytest.mark.parametrize(
    ("venv", "message"),
    [
        (lambda: many(2, wrappers.NormalizeObservation), "NormalizeObservation of its own"),
        (lambda: many(1, lambda env: wrappers.FrameStackObservation(env, 2)), "FrameStack"),
        (lambda: VecFrameStack(many(1, lambda env: env), 2), "VecFrameStack changes"),
        (
            lambda: SubprocVecEnv([lambda: rescaled(gym.make(NAME))], start_method="fork"),
            "stand in other processes",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused(venv: Callable[[], Any], message: str) -> None:
    inside = venv()
    try:
        with pytest.raises(SettingError, match=message):
            SB3Policy(PPO("MlpPolicy", inside, n_steps=8, batch_size=8))
    finally:
        inside.close()


@pytest.mark.parametrize(
    "venv",
    [
        lambda: VecNormalize(make_vec_env(1, id=NAME, simulator=USER, observation="history")),
        lambda: VecNormalize(make_vec_env(1, id=NAME, simulator=USER, observation="both")),
        lambda: many(1, wrappers.NormalizeObservation, observation="history"),
        lambda: many(1, rescaled, observation="history"),
    ],
)
def test_scaled_item_indices_are_refused_by_name(venv: Callable[[], Any]) -> None:
    inside = venv()
    kind = "MultiInputPolicy" if isinstance(inside.observation_space, gym.spaces.Dict) else None
    with pytest.raises(SettingError, match=r"(VecNormalize|Observation) scales item indices"):
        SB3Policy(PPO(kind or "MlpPolicy", inside, n_steps=8, batch_size=8))


def test_a_normalised_state_beside_plain_indices_is_taken_along() -> None:
    both = make_vec_env(2, id=NAME, simulator=USER, observation="both")
    venv = VecNormalize(both, norm_obs_keys=["state"])
    settings = {"features_extractor_class": SequenceFeatures}
    model = learned(venv, "MultiInputPolicy", policy_kwargs=settings)
    raw = venv.get_original_obs()
    np.testing.assert_allclose(
        SB3Policy(model).action_scores(raw),
        as_the_model_sees(model, venv.normalize_obs(raw)),
        rtol=1e-4,
    )


def test_a_reader_of_items_refuses_scaled_indices() -> None:
    history = make_vec_env(1, id=NAME, simulator=USER, observation="history")
    with pytest.raises(SettingError, match=r"index of no item.*VecNormalize"):
        learned(VecNormalize(history), policy_kwargs={"features_extractor_class": SequenceFeatures})
