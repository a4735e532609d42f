"""Making and using an environment changes nothing for the rest of the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh_process import printed_by

pytestmark = pytest.mark.core
SCRIPT = """
import importlib.util, locale, multiprocessing, os, random, signal, sys, warnings
import numpy, torch
import gymnasium as gym
import llmrec_env

def state():
    numbers = numpy.random.get_state()
    return {
        "start method": multiprocessing.get_start_method(allow_none=True),
        "random": random.getstate(),
        "numpy.random": (numbers[1].tobytes(), *numbers[2:]),
        "torch.random": torch.random.get_rng_state().tolist(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch": (torch.get_default_dtype(), torch.is_grad_enabled()),
        "warnings": [str(entry) for entry in warnings.filters],
        "numpy errors": numpy.geterr(),
        "folder": os.getcwd(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        # what polars tells its own allocator when it is imported
        "variables": {k: v for k, v in os.environ.items() if not k.startswith("_RJEM")},
        "hooks": (sys.excepthook, sys.stdout, sys.stderr),
    }

names = ["LLMRec/TrueTaste-v1", "LLMRec/NextItem-v1"]
if importlib.util.find_spec("bm25s") is not None:
    names.append("LLMRec/Shop-v0")
for name in names:
    before = state()
    env = gym.make(name)
    env.action_space.seed(0)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.reset()
    envs = gym.make_vec(name, num_envs=2)
    envs.action_space.seed(0)
    envs.reset(seed=1)
    envs.step(envs.action_space.sample())
    after = state()
    changed = [key for key in before if before[key] != after[key]]
    assert not changed, (name, changed)
print("nothing changed")
"""


def test_environments_have_no_global_side_effects(tmp_path: Path) -> None:
    assert "nothing changed" in printed_by(SCRIPT, tmp_path)
