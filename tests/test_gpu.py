"""A GPU gives the answers that the CPU gives; skipped on a machine without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import llmrec_env
from agents import Recommender, RecommenderConfig
from agents.backbones import BACKBONES
from agents.objectives import FRAMEWORKS
from llmrec_env.common.arrays import Float64Array
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.experiments.study import StudySettings, run_study
from llmrec_env.language.fitting import (
    FitConfig,
    fit_language_environment,
    untrained_language_environment,
)
from llmrec_env.language.learning import LearningConfig
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.origin import EMBEDDED

gym.register_envs(llmrec_env)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
ID = "LLMRec/NextItem-v1"
TINY: dict[str, Any] = {"dim": 16, "batch_size": 64, "epochs": 2, "augment_k": 3}


@pytest.fixture(scope="module")
def split() -> Split:
    """Users of the world that the embedded LE learned from."""
    return split_by_user(generate_world(seed=0).log, seed=0)


@pytest.fixture(scope="module")
def on_gpu() -> LanguageUser:
    """The embedded LE, in the CPU's numbers."""
    return LanguageUser.from_pretrained(EMBEDDED, device="cuda", dtype="float32")


def rewards_of(steps: int, **options: Any) -> Float64Array:
    """Rewards of four users who are shown the same random items whatever the device."""
    envs = gym.make_vec(ID, num_envs=4, **options)
    envs.action_space.seed(0)
    envs.reset(seed=0)
    return np.array([envs.step(envs.action_space.sample())[1] for _ in range(steps)])


def test_the_le_labels_alike(on_gpu: LanguageUser, split: Split) -> None:
    here, there = LanguageUser.from_pretrained(EMBEDDED).label(split.test), on_gpu.label(split.test)
    np.testing.assert_allclose(there.rewards, here.rewards, atol=1e-3)
    np.testing.assert_allclose(there.states, here.states, atol=1e-3)


def test_it_computes_in_bfloat16_unless_told_otherwise(on_gpu: LanguageUser, split: Split) -> None:
    half = LanguageUser.from_pretrained(EMBEDDED, device="cuda")
    assert half.model.dtype == torch.bfloat16
    exact, near = on_gpu.label(split.test), half.label(split.test)
    assert np.nanmean(np.abs(near.rewards - exact.rewards)) < 0.01
    assert (near.states * exact.states).sum(axis=1).mean() > 0.99


def test_episodes_earn_alike() -> None:
    here = rewards_of(20, simulator=EMBEDDED)
    there = rewards_of(20, simulator=EMBEDDED, device="cuda", dtype="float32")
    np.testing.assert_allclose(there, here, atol=1e-3)


def test_an_le_learned_there_answers_here(split: Split, tmp_path: Path) -> None:
    config = FitConfig(learning=LearningConfig(epochs=1, min_steps=20, batch_size=16))
    model = fit_language_environment(
        split.train, split.validation, config=config, users=split.test, device="cuda"
    )
    curve = model.record["learning"]["curve"]
    assert curve[-1]["state"] < curve[1]["state"]
    model.save_pretrained(tmp_path / "le")
    there = LanguageUser.from_pretrained(tmp_path / "le", device="cuda", dtype="float32")
    here = LanguageUser.from_pretrained(tmp_path / "le")
    np.testing.assert_allclose(
        there.label(split.test).rewards, here.label(split.test).rewards, atol=1e-3
    )


def test_item_tokens_learned_here_are_found_there(split: Split, tmp_path: Path) -> None:
    kept = {"config": FitConfig(), "checkpoint": tmp_path}
    here = untrained_language_environment(split.train, **kept)
    there = untrained_language_environment(split.train, device="cuda", **kept)
    torch.testing.assert_close(there.item_tokens.cpu(), here.item_tokens, rtol=0, atol=0)


@pytest.mark.parametrize("backbone", list(BACKBONES))
def test_every_backbone_trained_there_ranks_here(
    backbone: str, split: Split, tmp_path: Path
) -> None:
    there = Recommender(RecommenderConfig.of(backbone, device="cuda", **TINY))
    there.fit(split.train, None, split.validation).save(tmp_path / "saved")
    here = Recommender.load(tmp_path / "saved", device="cpu")
    histories = [split.test.sequence(user) for user in range(8)]
    np.testing.assert_allclose(there.score(histories), here.score(histories), atol=1e-3)


@pytest.mark.parametrize("objective", list(FRAMEWORKS))
def test_every_objective_with_lea_trains_there(
    objective: str, on_gpu: LanguageUser, split: Split
) -> None:
    has_q = bool(FRAMEWORKS[objective]().q_weights)
    switches = {"augment": True, "state": has_q, "reward": has_q}
    config = RecommenderConfig.of(objective=objective, device="cuda", **switches, **TINY)
    fitted = Recommender(config).fit(split.train, on_gpu, split.validation)
    assert all(np.isfinite(list(point.values())).all() for point in fitted.history)


def test_a_study_computes_there_side_by_side(tmp_path: Path) -> None:
    settings = StudySettings(
        backbones=("sasrec",),
        methods=("plain", "LEASR"),
        seeds=1,
        splits=1,
        trials=0,
        budget=0.01,
        world_size=(60, 60),
        device="cuda",
    )
    run_study(settings, tmp_path, workers=2)
    assert "LEASR" in (tmp_path / "results.md").read_text(encoding="utf-8")


def test_a_stable_baselines3_agent_learns_there() -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    from agents.sb3 import SequenceFeatures
    from llmrec_env.envs.sb3 import make_vec_env

    env = make_vec_env(4, seed=0, simulator=EMBEDDED, device="cuda", observation="history")
    policy = {
        "features_extractor_class": SequenceFeatures,
        "features_extractor_kwargs": {"backbone": "sasrec", "dim": 16},
    }
    model = sb3.PPO(
        "MlpPolicy", env, n_steps=8, batch_size=16, device="cuda", policy_kwargs=policy, seed=0
    )
    assert model.learn(64).num_timesteps == 64
