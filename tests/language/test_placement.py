"""Where an LE runs and in what numbers, said by name at every door."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from tiny_models import TINY

import llmrec_env
from llmrec_env.common.errors import SettingError
from llmrec_env.data.splits import Split
from llmrec_env.language.fitting import fit_language_environment
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser

gym.register_envs(llmrec_env)

pytestmark = pytest.mark.core
ID = "LLMRec/NextItem-v1"


@pytest.fixture(scope="module")
def folder(learned: LanguageEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved LE."""
    path = tmp_path_factory.mktemp("le") / "le"
    learned.save_pretrained(path)
    return path


def test_bfloat16_answers_nearly_as_float32_does(folder: Path, split: Split) -> None:
    full, half = (
        LanguageUser.from_pretrained(folder, dtype=dtype) for dtype in ("float32", "bfloat16")
    )
    assert half.model.dtype == torch.bfloat16
    exact, near = full.label(split.test), half.label(split.test)
    np.testing.assert_allclose(near.rewards, exact.rewards, atol=0.03)
    assert (near.states * exact.states).sum(axis=1).min() > 0.99
    assert near.states.dtype == near.rewards.dtype == np.float32


def test_an_le_learns_in_bfloat16(split: Split, tmp_path: Path) -> None:
    model = fit_language_environment(split.train, split.validation, config=TINY, dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    curve = model.record["learning"]["curve"]
    assert curve[-1]["state"] < curve[1]["state"]
    model.save_pretrained(tmp_path / "le")
    assert LanguageUser.from_pretrained(tmp_path / "le").model.dtype == torch.float32


def test_the_doors_hand_it_on(folder: Path) -> None:
    env = gym.make(ID, simulator=folder, device="cpu", dtype="bfloat16")
    assert env.unwrapped.simulator.model.dtype == torch.bfloat16
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    envs = gym.make_vec(ID, num_envs=2, dtype="bfloat16")  # the embedded LE
    assert envs.unwrapped.simulator.model.dtype == torch.bfloat16
    assert gym.make(ID).unwrapped.simulator.model.dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used here"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here"),
        ({"dtype": "int3"}, "dtype must be one of auto, float32, bfloat16"),
        ({"simulator": "true-taste", "device": "cpu"}, "device are for a language model"),
    ],
)
def test_what_is_not_there_is_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        gym.make(ID, **settings)
