"""Learns a simulated user from one recommender's log, and judges it on others' logs.

    python benchmarks/counterfactual.py --learn popularity --judge uniform,recommender --seeds 3

Worlds of one seed have the same items, and users who begin with the same tastes; who recommended
differs. An LE without a language model learns from the training users of the first world's log and
is asked, about the test users of each, whether they rather took the item that they took or another
one (``llmrec_env.evaluation.counterfactual``). Popularity in the training log and the true users
are asked the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from llmrec_env.data.log import InteractionLog
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


def judged(
    language: LanguageUser, world: World, split: Split, other: InteractionLog
) -> dict[str, CounterfactualAccuracy]:
    """What everybody keeps on the test users of another recommender's log."""
    return {
        "LE": counterfactual_accuracy(language, split.test, other),
        "popularity": counterfactual_popularity(split.train, split.test, other),
        "true users": counterfactual_accuracy(TrueTasteUser(world), split.test, other),
    }


def cell(found: Sequence[Interval]) -> str:
    """A mean with its interval over users; of several worlds, the mean and the range of theirs."""
    means = [own.mean for own in found]
    low, high = (min(means), max(means)) if len(found) > 1 else found[0][1:]
    return f"{np.mean(means):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Print a row for each log, answerer and kind of question."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--learn", default="popularity", help="who recommended where one learns")
    parser.add_argument("--judge", default="uniform,recommender", help="and where one is judged")
    parser.add_argument("--items", type=int, default=400, help="items of the catalogue")
    parser.add_argument("--users", type=int, default=1000, help="users of the log")
    parser.add_argument("--seeds", type=int, default=1, help="how many worlds, from seed 0 on")
    args = parser.parse_args()
    others = args.judge.split(",")
    found: dict[str, list[dict[str, CounterfactualAccuracy]]] = {name: [] for name in others}
    for seed in range(args.seeds):
        world, split = made(args.learn, seed, args.items, args.users)
        language = learned(split)
        for name in others:
            _, other = made(name, seed, args.items, args.users)
            found[name].append(judged(language, world, split, other.test))
    table = Table("learned on", "judged on", "against", "who", "own log", "other log", "kept")
    table.add_column("above chance")
    for name, worlds in found.items():
        for kind in worlds[0]["LE"].own:
            for who in worlds[0]:
                parts = ("own", "other", "kept", "kept_above_chance")
                cells = [cell([getattr(own[who], part)[kind] for own in worlds]) for part in parts]
                table.add_row(args.learn, name, kind, who, *cells)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
