"""The residual LE untrained, learned on a tenth of the users, and on all: same split, three seeds.

    python benchmarks/data_efficiency.py --data path/to/amazon_industrial

Each seed is a split by user and the seed of learning. Prints a table and writes the rows as JSON;
a run that was killed repeats nothing that it has written.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.data.source import open_source
from llmrec_env.evaluation.fidelity import of_reward, reward_accuracy
from llmrec_env.evaluation.ranking import SimulatorRanker, evaluate_ranking
from llmrec_env.language.calibration import calibrate
from llmrec_env.language.fitting import untrained_language_environment
from llmrec_env.language.learning import LearningConfig, learn
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.language import LanguageUser

SHARES = (0.0, 0.1, 1.0)
Row = dict[str, float]


def measure(data: str | None, seeds: range, epochs: int, out: Path) -> list[Row]:
    """One row a seed and share: NDCG@10, HR@10 and pairwise accuracy on test users."""
    rows: list[Row] = read_json(out) if out.exists() else []
    untrained: LanguageEnvironment | None = None
    for seed in seeds:
        source = open_source(data, seed)
        if untrained is None:
            untrained = untrained_language_environment(source.log)
        for share in SHARES:
            if any(row["seed"] == seed and row["share"] == share for row in rows):
                continue
            model = copy.deepcopy(untrained)
            if share > 0:
                learning = LearningConfig(share=share, epochs=epochs, mask_seen=False, seed=seed)
                learn(model, source.split.train, source.split.validation, learning)
            else:
                calibrate(model, source.split.validation, seed)
            user = LanguageUser(model)
            accuracy = reward_accuracy(user, source.split.test, seed)
            ranking = evaluate_ranking(SimulatorRanker(user), source.split.test, ks=(10,))
            rows.append(
                {
                    "seed": seed,
                    "share": share,
                    "NDCG@10": ranking["NDCG@10"],
                    "HR@10": ranking["HR@10"],
                    "accuracy, uniform": accuracy.uniform,
                    "accuracy, popular": accuracy.popular,
                }
            )
            write_json(out, rows)
    return rows


def show(rows: list[Row]) -> None:
    """Mean and standard deviation over seeds for each share."""
    names = ["NDCG@10", "HR@10", "accuracy, uniform", "accuracy, popular"]
    table = Table(title="Test users, every step, seen items not masked; mean ± sd over seeds")
    for column in ("learned on", *map(of_reward, names)):
        table.add_column(column, justify="right")
    for share in SHARES:
        chosen = [row for row in rows if row["share"] == share]
        values = [np.array([row[name] for row in chosen]) for name in names]
        label = "nobody" if share == 0 else f"{share:.0%} of the users"
        table.add_row(
            label, *(f"{v.mean():.4f} ± {v.std(ddof=min(1, len(v) - 1)):.4f}" for v in values)
        )
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--data", help="a public dataset; the generated world where not given")
    parser.add_argument("--seeds", type=int, default=3, help="runs, one a seed")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first run")
    parser.add_argument("--epochs", type=int, default=6, help="passes over the log at most")
    parser.add_argument("--out", type=Path, help="JSON file of the rows")
    arguments = parser.parse_args()
    name = Path(arguments.data).name if arguments.data else "world"
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    path = arguments.out or Path("runs") / f"data_efficiency_{name}.json"
    show(measure(arguments.data, seeds, arguments.epochs, path))
