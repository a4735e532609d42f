"""Does the LE find the truth? Three generated worlds whose true preferences are known.

    python benchmarks/world_truth.py

For each world seed: an LE learned on its training users; on held-out users, the Spearman
correlation of its reward with the true preference minus popularity's; and the returns, among the
TRUE users, of random, popular and a PPO that only ever served the LE's users, in pairs over all
held-out users. A run that was killed repeats nothing that it has written.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from llmrec_env.common.files import read_json, write_json
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.fidelity import truth_agreement
from llmrec_env.evaluation.policies import PopularPolicy, RandomPolicy, SB3Policy
from llmrec_env.evaluation.returns import evaluate_policy
from llmrec_env.experiments.demo.settings import DemoSettings
from llmrec_env.experiments.ppo import train_ppo
from llmrec_env.language.assets.build import CONFIG
from llmrec_env.language.fitting import fit_language_environment
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.states_from import StatesFrom
from llmrec_env.users.true_taste import TrueTasteUser

Row = dict[str, Any]


def measure_world(seed: int, users: int, folder: Path) -> Row:
    """One world: agreement with the truth, and paired returns among its true users."""
    world = generate_world(seed)
    # a fifth of the users is held out, so that 200 and more judge
    split = split_by_user(world.log, seed, (0.7, 0.1, 0.2))
    user = _learned(folder / f"le_{seed}", split)
    truth = TrueTasteUser(world, users=split.test)
    agreement = truth_agreement(user, truth, split.train, split.test)
    model, _ = train_ppo(user, split.train, DemoSettings().ppo_steps, seed=seed)
    seen = StatesFrom(truth, observer=user)
    results = {
        name: evaluate_policy(policy, seen, episodes=users, seed=seed)
        for name, policy in {
            "random": RandomPolicy(seed),
            "popular": PopularPolicy(split.train),
            "PPO": SB3Policy(model),
        }.items()
    }
    return {
        "seed": seed,
        "users": len(agreement.simulator),
        "LE": float(agreement.simulator.mean()),
        "popularity": float(agreement.popularity.mean()),
        "difference": list(agreement.difference),
        "returns": {name: result.summary() for name, result in results.items()},
        "PPO minus": {
            name: list(results["PPO"].difference(results[name])) for name in ("random", "popular")
        },
    }


def _learned(folder: Path, split: Any) -> LanguageUser:
    if not (folder / "config.json").exists():
        fit_language_environment(
            split.train,
            split.validation,
            config=CONFIG,
            users=split.test,
            checkpoint=folder.with_name(f"{folder.name}.checkpoint"),
        ).save_pretrained(folder)
    return LanguageUser.from_pretrained(folder)


def show(rows: list[Row]) -> None:
    """Both comparisons, a line a world."""
    table = Table(title="Held-out users of generated worlds; 95% intervals over users, in pairs")
    for column in (
        "world",
        "Spearman LE",
        "popularity",
        "difference",
        "PPO",
        "- random",
        "- popular",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        cells = [row["difference"], row["PPO minus"]["random"], row["PPO minus"]["popular"]]
        spearman, random, popular = (f"{m:+.2f} [{lo:+.2f}, {hi:+.2f}]" for m, lo, hi in cells)
        table.add_row(
            str(row["seed"]),
            f"{row['LE']:.3f}",
            f"{row['popularity']:.3f}",
            spearman,
            f"{row['returns']['PPO']['return']:.2f}",
            random,
            popular,
        )
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="worlds, one a seed")
    parser.add_argument("--users", type=int, default=300, help="held-out users, one episode each")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/world_truth"), help="where results are written"
    )
    arguments = parser.parse_args()
    path = arguments.out / "rows.json"
    rows = read_json(path) if path.exists() else []
    for seed in range(arguments.seeds):
        if not any(row["seed"] == seed for row in rows):
            rows.append(measure_world(seed, arguments.users, arguments.out))
            write_json(path, rows)
    show(rows)
