"""Worker processes that are forked: they answer, whatever their parent computed before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fresh_process import printed_by

pytestmark = [
    pytest.mark.core,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here"),
]
SCRIPT = """
import multiprocessing, sys
import gymnasium as gym, numpy as np, torch
import llmrec_env
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.origin import EMBEDDED

def rewards(users):
    histories = [users.users.sequence(row)[:5] for row in range(100)]
    return users.open(histories).respond(np.arange(100)).reward

def part_of(log):
    few = log.select_users(np.arange(5))
    few = few.keep(few.items < 400)
    return few.user_ids.to_list(), few.feedback.columns, few.catalogue.take([3, 1]).sentences

def read_and_ask(folder):  # reads parquet too, with polars
    return torch.get_num_threads(), rewards(LanguageUser.from_pretrained(folder))

torch.set_num_threads(2)
here = rewards(LanguageUser.from_pretrained(EMBEDDED))  # both pools have begun
with multiprocessing.get_context("fork").Pool(1) as pool:
    threads, there = pool.map(read_and_ask, [EMBEDDED])[0]
    log = llmrec_env.generate_world().log
    assert pool.map(part_of, [log])[0] == part_of(log)
assert threads == 1 and np.allclose(here, there, atol=1e-5)
envs = gym.make_vec(
    "LLMRec/NextItem-v1", num_envs=2, vectorization_mode="async", vector_kwargs={"context": "fork"}
)
observations, infos = envs.reset(seed=3)
name = infos["user_id"][0]
envs.step(np.array([1, 2]))
_, infos = envs.reset(options={"user_id": name})
assert list(infos["user_id"]) == [name, name]
envs.close()
alone = gym.make("LLMRec/NextItem-v1").reset(seed=4)[0]
assert np.allclose(observations[1], alone, atol=1e-5)
assert torch.get_num_threads() == 2  # the parent keeps its own
print("no fork waited")
"""


def test_forked_workers_answer_after_their_parent_used_torch_and_polars(tmp_path: Path) -> None:
    assert "no fork waited" in printed_by(SCRIPT, tmp_path)
