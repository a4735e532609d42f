"""Texts of the shop: the same samples in every process, and whole through shared memory."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction

from llmrec_env.common.errors import SettingError
from llmrec_env.envs.text.text_space import SharedTexts, TextSpace

pytest.importorskip("bm25s")
NAME = "LLMRec/Shop-v0"
SAMPLES = """
import gymnasium as gym, llmrec_env
env = gym.make("LLMRec/Shop-v0", catalogue=30, observation="dict")
env.action_space.seed(3)
env.observation_space["instruction"].seed(3)
print(ascii((env.action_space.sample(), env.observation_space["instruction"].sample())))
"""


def test_seeded_samples_do_not_depend_on_how_a_process_hashes() -> None:
    def samples(hash_seed: str) -> str:
        variables = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", SAMPLES]
        return subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, check=True
        ).stdout

    assert samples("1") == samples("2") != ""


@pytest.mark.parametrize("observation", ["text", "text_rich", "url", "html"])
def test_worker_processes_show_whole_pages(observation: str) -> None:
    kwargs = {"catalogue": 30, "observation": observation}
    envs = gym.make_vec(NAME, num_envs=2, vectorization_mode="async", **kwargs)
    alone = [gym.make(NAME, **kwargs) for _ in range(2)]
    seen, _ = envs.reset(seed=4)
    assert seen == tuple(env.reset(seed=4 + row)[0] for row, env in enumerate(alone))
    kept = seen
    for action in ("search[shoes]", "search[red]"):
        seen = envs.step((action, "click[back to search]"))[0]
        both = zip(alone, (action, "click[back to search]"), strict=True)
        assert seen == tuple(env.step(text)[0] for env, text in both)
    assert kept != seen  # an observation that was given stays as it was
    envs.close()


def test_a_shorter_text_leaves_nothing_of_a_longer_one() -> None:
    space = TextSpace(5, min_length=0, charset="abc")
    from multiprocessing import get_context

    from gymnasium.vector.utils import (
        create_shared_memory,
        read_from_shared_memory,
        write_to_shared_memory,
    )

    memory = create_shared_memory(space, n=2, ctx=get_context("spawn"))
    texts = read_from_shared_memory(space, memory, n=2)
    assert isinstance(texts, SharedTexts)
    for first, second in (("abcab", "c"), ("b", "abc"), ("", "ccccc")):
        write_to_shared_memory(space, 0, first, memory)
        write_to_shared_memory(space, 1, second, memory)
        assert tuple(texts) == (first, second)


def pages(envs: Any) -> Any:
    return [shopper.session.page.kind for shopper in envs.shoppers], envs.rules.steps.tolist()


@pytest.mark.parametrize(
    "actions",
    [
        ["search[a]", "search[b]", 5],
        ["search[a]", "search[b]", b"search[c]"],
        np.array(["search[a]", "search[b]", None], dtype=object),
        ["search[a]", "search[b]"],
        {"a": 1, "b": 2, "c": 3},
        5,
        None,
        "abc",
    ],
)
def test_no_row_acts_where_one_is_refused(actions: Any) -> None:
    envs: Any = gym.make_vec(NAME, num_envs=3, catalogue=30)
    envs.reset(seed=0)
    before = pages(envs)
    with pytest.raises(InvalidAction):
        envs.step(actions)
    assert pages(envs) == before


@pytest.mark.parametrize("goals", [[1, 2, 10**9], [None, None, "x"], [1, 2, 1.5], [-1, 0, 0]])
def test_no_row_starts_or_is_seeded_where_one_is_refused(goals: Any) -> None:
    envs: Any = gym.make_vec(NAME, num_envs=3, catalogue=30)
    envs.reset(seed=0)
    drawn = [generator.bit_generator.state for generator in envs.np_random]
    wanted = envs.rules.goal_indices.copy()
    with pytest.raises(SettingError, match="goal"):
        envs.reset(seed=7, options={"goal": goals})
    assert [generator.bit_generator.state for generator in envs.np_random] == drawn
    np.testing.assert_array_equal(envs.rules.goal_indices, wanted)
    first = partial(gym.make_vec, NAME, num_envs=3, catalogue=30)
    assert first().reset(seed=0)[0] == envs.reset(seed=0)[0]
