"""The ids of the environments, in this process and in others."""

from __future__ import annotations

from functools import partial

import gymnasium as gym
import pytest

pytestmark = pytest.mark.core


def test_an_id_with_the_package_before_a_colon_is_known_to_a_fresh_process() -> None:
    make = partial(gym.make, "llmrec_env:LLMRec/TrueTaste-v0")
    users = gym.vector.AsyncVectorEnv([make, make], context="spawn")
    observations, _ = users.reset(seed=0)
    users.close()
    assert len(observations) == 2
