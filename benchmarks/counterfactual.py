"""Learns a simulated user from one recommender's log, and judges it on others' logs.

    python benchmarks/counterfactual.py --learn popularity --judge uniform,recommender

Worlds of one seed have the same items, and users who begin with the same tastes; who recommended
differs. An LE without a language model learns from the training users of the first world's log and
is asked, about the test users of each, whether they rather took the item that they took or another
one (``llmrec_env.evaluation.counterfactual``). Popularity in the training log and the true users
are asked the same.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from rich.console import Console
from rich.table import Table

from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world import LoggingParameters, World, generate_world
from llmrec_env.evaluation.counterfactual import (
    CounterfactualAccuracy,
    counterfactual_accuracy,
    counterfactual_popularity,
)
from llmrec_env.evaluation.intervals import Interval
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.model import LanguageEnvironmentConfig
from llmrec_env.users.language import LanguageUser
from llmrec_env.users.true_taste import TrueTasteUser


def made(logging: str, seed: int, items: int, users: int) -> tuple[World, Split]:
    """A world whose log keeps an item shown beside each one taken, and its split."""
    parameters = LoggingParameters(logging, kept_skips=1)  # type: ignore[arg-type]
    world = generate_world(seed, items, users, logging=parameters)
    return world, split_by_user(world.log, seed)


def learned(split: Split) -> LanguageUser:
    """An LE without a language model, from what was taken alone."""
    train, validation = (replace(part, skips=None) for part in split[:2])
    config = FitConfig(
        LanguageEnvironmentConfig(item_ids=True),
        learning=LearningConfig(learning_rate=3e-3),
        language_model=False,
    )
    return LanguageUser(fit_language_environment(train, validation, config=config))


def cell(found: Interval) -> str:
    """A mean and its interval."""
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"


def main() -> None:
    """Print a row for each log, answerer and kind of question."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--learn", default="popularity", help="who recommended where one learns")
    parser.add_argument("--judge", default="uniform,recommender", help="and where one is judged")
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    size = (args.seed, args.items, args.users)
    world, split = made(args.learn, *size)
    language = learned(split)
    table = Table("learned on", "judged on", "against", "who", "own log", "other log", "kept")
    table.add_column("above chance")
    for name in args.judge.split(","):
        _, other = made(name, *size)
        rows: dict[str, CounterfactualAccuracy] = {
            "LE": counterfactual_accuracy(language, split.test, other.test),
            "popularity": counterfactual_popularity(split.train, split.test, other.test),
            "true users": counterfactual_accuracy(TrueTasteUser(world), split.test, other.test),
        }
        for kind in rows["LE"].own:
            for who, found in rows.items():
                values = (found.own, found.other, found.kept, found.kept_above_chance)
                table.add_row(args.learn, name, kind, who, *(cell(own[kind]) for own in values))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
