"""What the members of an LE cost: a step of K of them beside one of the LE alone, in one process.

    python benchmarks/ensemble.py --members 5 --envs 1,64

The vector environment steps with the embedded LE as it is, and with members that learned nothing
(what they know costs no time). Both step by turns, so that what else the machine does falls on
both; a row is the ratio of their median seconds, with the quarter and three-quarter points of the
ratios of single turns.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from llmrec_env.common.arrays import Float64Array
from llmrec_env.envs.next_item.vector_env import NextItemVectorEnv
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.origin import EMBEDDED

TURN = 20
"""Steps of a turn."""


def simulators(members: int) -> dict[str, LanguageUser]:
    """The embedded LE alone, and with members."""
    alone = LanguageEnvironment.from_pretrained(EMBEDDED, fold=True)
    together = LanguageEnvironment.from_pretrained(EMBEDDED, fold=True)
    together.members = together.new_members(members, prior=1.0)
    return {"alone": LanguageUser(alone), "members": LanguageUser(together)}


def seconds(members: int, num_envs: int, turns: int) -> dict[str, Float64Array]:
    """Seconds a step of each turn, float64 (turns,), of the LE alone and with members."""
    envs = {
        name: NextItemVectorEnv(num_envs, 50, simulator=user, action_mask=False)
        for name, user in simulators(members).items()
    }
    rng = np.random.default_rng(0)
    for env in envs.values():
        env.reset(seed=0)
    found: dict[str, list[float]] = {name: [] for name in envs}
    for _ in range(turns + 1):  # the first one warms up
        actions = rng.integers(next(iter(envs.values())).n_items, size=(TURN, num_envs))
        for name, env in envs.items():
            begun = time.perf_counter()
            for action in actions:
                env.step(action)
            found[name].append((time.perf_counter() - begun) / TURN)
    return {name: np.array(own[1:]) for name, own in found.items()}


def main() -> None:
    """Print a row for each number of users."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--members", type=int, default=5, help="LEs to learn")
    parser.add_argument("--envs", default="1,64", help="users at once, with commas")
    parser.add_argument("--turns", type=int, default=30, help=f"turns of {TURN} steps")
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(
        "users at once", "LE alone, ms", f"{given.members} members, ms", "ratio", "quarters"
    )
    for num_envs in map(int, given.envs.split(",")):
        found = seconds(given.members, num_envs, given.turns)
        alone, together = found["alone"], found["members"]
        low, high = np.quantile(together / alone, [0.25, 0.75])
        table.add_row(
            str(num_envs),
            f"{1000 * np.median(alone):.2f}",
            f"{1000 * np.median(together):.2f}",
            f"{np.median(together) / np.median(alone):.2f}",
            f"{low:.2f} to {high:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
