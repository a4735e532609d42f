"""What an LE learns from what users were shown and did not take, in a world whose truth is known.

    python benchmarks/skips.py --seeds 1,2

Users of a generated world are shown items at random, some more often than others, and take each
with a probability that follows from their taste. An LE learns from the log of it with each share of
negatives that are skips (``LearningConfig.skipped_share``), and once from the takes alone. Then it
is asked how likely held-out users take each item that they had not taken, after half of their
history: Spearman with the true probability (mean over users), the squared error, and the mean
probability beside the true one.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from llmrec_env.common.arrays import Float64Array
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import Split, split_by_user
from llmrec_env.data.world.generated import generate_world
from llmrec_env.evaluation.fidelity import spearman
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.model import LanguageEnvironmentConfig
from llmrec_env.users.language import LanguageUser

ITEMS, USERS, SHOWN = 60, 600, 40
SHARES = (0.0, 0.5, 0.8, 1.0)


def shown_world(seed: int) -> tuple[Split, Float64Array]:
    """Users who took some of what they were shown, and the probability of each user and item."""
    world, rng = generate_world(seed, ITEMS, USERS), np.random.default_rng(seed)
    tastes = world.tastes @ world.factors.T
    truth = 1 / (1 + np.exp(1 - 2 * (tastes - tastes.mean()) / tastes.std()))
    users = np.repeat(np.arange(USERS), SHOWN)
    items = rng.choice(ITEMS, USERS * SHOWN, p=rng.dirichlet(np.full(ITEMS, 2.0)))
    table = pl.DataFrame(
        {
            "user_id": users.astype(str),
            "item_id": np.array(world.log.catalogue.ids)[items],
            "time": np.arange(len(users)),
            "label": rng.random(len(users)) < truth[users, items],
        }
    )
    log = InteractionLog.from_table(world.log.catalogue, table)
    return split_by_user(log, seed), truth


def measured(split: Split, truth: Float64Array, share: float) -> list[float]:
    """Spearman, squared error, mean probability and the true mean of one LE."""
    config = FitConfig(
        LanguageEnvironmentConfig(item_ids=True),
        learning=LearningConfig(skipped_share=share, learning_rate=3e-3),
        language_model=False,
    )
    model = fit_language_environment(split.train, split.validation, config=config)
    user, test, rows = LanguageUser(model), split.test, []
    for place, name in enumerate(test.user_ids):
        history = test.sequence(place)[: test.lengths[place] // 2]
        if len(history):
            left = np.setdiff1d(np.arange(ITEMS), history)
            told = user.answers([history], left[None]).accept_probability[0].astype(np.float64)
            true = truth[int(name), left]
            error = float(np.mean((told - true) ** 2))
            rows.append([spearman(told, true), error, told.mean(), true.mean()])
    return [float(value) for value in np.mean(rows, axis=0)]


def main() -> None:
    """Print a row for each seed and share."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--seeds", default="1", help="seeds of worlds, with commas")
    table = Table("seed", "learned from", "Spearman", "squared error", "mean", "true mean")
    for seed in map(int, parser.parse_args().seeds.split(",")):
        split, truth = shown_world(seed)
        without = Split(*(replace(part, skips=None) for part in split))
        rows = [(without, 0.0, "takes")]
        rows += [(split, share, f"skips, {share:g}") for share in SHARES]
        for parts, share, name in rows:
            values = measured(parts, truth, share)
            table.add_row(str(seed), name, *(f"{value:.3f}" for value in values))
    Console().print(table)


if __name__ == "__main__":
    main()
