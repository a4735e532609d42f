"""Agents of a catalogue too large to be an action space: the cost of a step, learning and memory.

    python benchmarks/large_catalogue.py --out runs/large_catalogue.json

The embedded LE's base model over 1,000 and over 200,000 items with random tokens, since time does
not depend on what they say. One process steps both in turn, 64 users and one, on 100 candidates and
on points, and tells the ratio of the CPU time of one thread; then stable-baselines3's PPO and DQN
(candidates) and TD3 and SAC (points) learn with their defaults, each in a process of its own, whose
peak memory is told.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import faiss
import gymnasium as gym
import numpy as np
import polars as pl
import torch
from memory import peak_mb
from scale import write_le, write_log

import llmrec_env  # noqa: F401 registers the ids
from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.progress import track
from llmrec_env.data.log import InteractionLog
from llmrec_env.users.language import LanguageUser

SIZES = (1_000, 200_000)
FORMS: dict[str, dict[str, Any]] = {
    "candidates": {"candidates": 100},
    "points": {"actions": "embedding"},
}
AGENTS = {"PPO": "candidates", "DQN": "candidates", "TD3": "points", "SAC": "points"}
ROUNDS, STEPS = 7, 32
LOG_ROWS = 10_000


def settings_of(folder: Path) -> dict[str, Any]:
    """The simulated users of one size."""
    simulator = LanguageUser.from_pretrained(folder / "le")
    table = pl.read_parquet(folder / "log")
    users = InteractionLog.from_table(simulator.catalogue, table)
    return {"simulator": simulator, "users": users}


def seconds_a_step(env: Any, rng: np.random.Generator) -> float:
    """CPU seconds of steps with random actions, on one environment without end."""
    env.reset(seed=0)
    env.action_space.seed(int(rng.integers(2**31)))
    actions = [env.action_space.sample() for _ in range(STEPS)]
    env.step(actions[0])
    began = time.process_time()
    for action in actions:
        env.step(action)
    return (time.process_time() - began) / STEPS


def step_ratios(folders: dict[int, Path]) -> list[dict[str, Any]]:
    """What a step costs at each size, in turn, and the median of their ratio."""
    settings = {size: settings_of(folder) for size, folder in folders.items()}
    rng, rows = np.random.default_rng(0), []
    endless = {"patience": 10**6, "max_episode_steps": None}
    for form, more in track(FORMS.items(), "step"):
        for users in (1, 64):
            envs = {
                size: gym.make_vec("LLMRec/NextItem-v1", users, **s, **more, **endless)
                for size, s in settings.items()
            }
            for env in envs.values():
                seconds_a_step(env, rng)  # what is made once, such as an index
            times = [
                {n: seconds_a_step(env, rng) for n, env in envs.items()} for _ in range(ROUNDS)
            ]
            small, large = ([t[size] for t in times] for size in SIZES)
            ratio = statistics.median(b / a for a, b in zip(small, large, strict=True))
            milliseconds = [1000 * statistics.median(side) for side in (small, large)]
            rows.append({"form": form, "users": users, "ratio": ratio, "ms": milliseconds})
    return rows


def learn(agent: str, folder: Path, steps: int) -> dict[str, Any]:
    """Learn with the library's defaults in this process."""
    import stable_baselines3

    from llmrec_env.envs.sb3 import make_vec_env

    env = make_vec_env(1, seed=0, **settings_of(folder), **FORMS[AGENTS[agent]])
    began = time.perf_counter()
    model = getattr(stable_baselines3, agent)("MlpPolicy", env, seed=0).learn(steps)
    seconds = time.perf_counter() - began
    assert model.num_timesteps >= steps
    return {"agent": agent, "steps": steps, "seconds": seconds, "peak_mb": peak_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/large_catalogue.json"),
        help="where results are written",
    )
    parser.add_argument("--steps", type=int, default=4_000, help="actions to learn from")
    parser.add_argument("--learn", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    if arguments.learn:
        row = learn(arguments.learn, arguments.folder, arguments.steps)
        write_json(arguments.folder / f"{arguments.learn}.json", row)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folders = {size: Path(scratch) / str(size) for size in SIZES}
        for size, folder in folders.items():
            folder.mkdir()
            write_le(folder / "le", size)
            write_log(folder / "log", size, LOG_ROWS)
        found: dict[str, Any] = {"steps": step_ratios(folders), "agents": []}
        write_json(arguments.out, found)
        large = folders[SIZES[-1]]
        for agent in track(AGENTS, "learn"):
            command = [sys.executable, __file__, "--learn", agent, "--folder", str(large)]
            subprocess.run([*command, "--steps", str(arguments.steps)], check=True)
            found["agents"].append(read_json(large / f"{agent}.json"))
            write_json(arguments.out, found)
    show(found)


def show(found: dict[str, Any]) -> None:
    """Both tables, as Markdown."""
    print("| a step | users | ms, 1,000 items | ms, 200,000 items | ratio |\n|---|---|---|---|---|")
    for row in found["steps"]:
        small, large = row["ms"]
        print(
            f"| {row['form']} | {row['users']} | {small:.2f} | {large:.2f} | {row['ratio']:.2f} |"
        )
    print("\n| agent | actions | steps | seconds | peak memory, MB |\n|---|---|---|---|---|")
    for row in found["agents"]:
        numbers = f"{row['steps']:,} | {row['seconds']:.0f} | {row['peak_mb']:.0f}"
        print(f"| {row['agent']} | {AGENTS[row['agent']]} | {numbers} |")


if __name__ == "__main__":
    main()
