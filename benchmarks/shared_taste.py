"""Prints what an LE gains by beginning at what users share, held against test users.

python benchmarks/shared_taste.py --data world:popularity,world:uniform,world:recommender --seeds 3
python benchmarks/shared_taste.py --data path/to/ml_100k

Two LEs without a language model learn from the same users, one from zero and one from there, and
are asked about the same items by the same draws. A minute or two each.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from llmrec_env.data.read_options import ReadOptions
from llmrec_env.data.source import WORLD_SIZE, Source
from llmrec_env.evaluation.fidelity import held_out_accuracy, of_reward, truth_agreement
from llmrec_env.experiments.opened import opened_source
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.learning import LearningConfig
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.true_taste import TrueTasteUser


def row(source: Source, seed: int, begins: bool, budget: float) -> list[str]:
    """What test users say of an LE that learned from zero, or from what users share."""
    split = source.split
    learning = LearningConfig(begin_shared=begins, seed=seed)
    config = FitConfig(learning=learning, language_model=False).scaled(budget)
    model = fit_language_environment(split.train, split.validation, config=config, users=split.test)
    user = LanguageUser(model)
    card = held_out_accuracy(user, split.train, split.test, seed)
    shared = model.record["learning"]["shared"]
    taking = user.feedback_source is None  # else rewards say how something is rated
    told = [
        source.name.rsplit("/", 1)[-1],
        str(seed),
        "zero" if shared is None else f"{shared['kept']} factors",
        *(f"{own:.3f}" if taking else "" for own in (card.reward.uniform, card.reward.popular)),
        f"{card.masked_ranking['NDCG@10']:.4f}",
    ]
    if source.world is None:
        return [*told, ""]
    truth = TrueTasteUser(source.world)
    agreement = truth_agreement(user, truth, split.train, split.test)
    return [*told, f"{agreement.simulator.mean():.3f}"]


def main() -> None:
    """Print two rows for each log and seed."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", default="world:popularity", help="logs, with commas")
    parser.add_argument("--seeds", type=int, default=1, help="splits and trainings, from 0")
    parser.add_argument("--budget", type=float, default=1.0, help="of the training lengths")
    args = parser.parse_args()
    table = Table("log", "seed", "begins at")
    for column in ("accuracy, uniform", "accuracy, popular", "NDCG@10, masked"):
        table.add_column(of_reward(column))
    table.add_column("Spearman with the truth")
    for data in args.data.split(","):
        for seed in range(args.seeds):
            source = opened_source(data, seed, WORLD_SIZE, ReadOptions().reading)
            for begins in (False, True):
                table.add_row(*row(source, seed, begins, args.budget))
    Console().print(table)


if __name__ == "__main__":
    main()
