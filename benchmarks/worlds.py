"""Prints how the named worlds differ: tastes, exposure, repeats, and what policies truly earn.

python benchmarks/worlds.py
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from llmrec_env.common.arrays import Float64Array
from llmrec_env.data.world import WORLDS, World, named_world
from llmrec_env.evaluation.beyond_accuracy import gini
from llmrec_env.evaluation.policies import PopularPolicy, PreferencePolicy, RandomPolicy
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.users.true_taste import TrueTasteUser


def turned(world: World) -> float:
    """Degrees between users' first tastes and their last, on average."""
    last = world.model.after(world.tastes, world.log.sequences()).taste
    return float(np.degrees(np.arccos(np.clip(cosines(last, world.tastes), -1, 1))).mean())


def cosines(one: Float64Array, other: Float64Array) -> Float64Array:
    """Cosine of each row with the other's, (n,)."""
    return (one * other).sum(axis=1) / np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))


def repeats(world: World) -> float:
    """Mean cosine of the factors of an item taken and of the one before it."""
    factors, goes_on = world.factors[world.log.items], world.log.row_goes_on[:-1]
    return float(cosines(factors[1:][goes_on], factors[:-1][goes_on]).mean())


def row(name: str, seed: int, episodes: int) -> list[str]:
    """The numbers of one world."""
    world = named_world(name, seed)
    log, users = world.log, TrueTasteUser(world)
    counts = np.sort(log.item_counts())[::-1]
    told = log.feedback["propensity"].to_numpy()
    policies = (RandomPolicy(), PopularPolicy(log), PreferencePolicy(users))
    returns = [evaluate_policy(policy, users, episodes=episodes, seed=seed) for policy in policies]
    return [
        name,
        f"{log.lengths.mean():.1f}",
        f"{gini(log.item_counts()):.2f}",
        f"{counts[: len(counts) // 10].sum() / counts.sum():.2f}",
        f"{float(np.nanmean(users.label(log).rewards)):.2f}",
        f"{turned(world):.0f}",
        f"{repeats(world):.2f}",
        f"{np.median(told):.3f} ({told.min():.3f} to {told.max():.3f})",
        " / ".join(f"{found.mean:.1f}" for found in returns),
        " / ".join(f"{found.accepted.mean():.1f}" for found in returns),
    ]


def main() -> None:
    """Print a row for each world."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is drawn")
    parser.add_argument("--episodes", type=int, default=500, help="episodes of each policy")
    args = parser.parse_args()
    table = Table("world", "taken by a user", "Gini of items", "share of the top tenth", "liking")
    for column in ("taste turned by, degrees", "like the one before", "propensity, median (range)"):
        table.add_column(column)
    table.add_column("true return: random / popular / own choice")
    table.add_column("taken in an episode")
    for name in WORLDS:
        table.add_row(*row(name, args.seed, args.episodes))
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
