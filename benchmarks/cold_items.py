"""How well an LE tells what users take among items that nobody was trained on, beside known ones.

    python benchmarks/cold_items.py --data path/to/amazon_industrial

A seeded share of the items is taken out of the log before anything learns; ``add_items`` then gives
them to the LE by their texts alone. Held-out users' next items are asked for (of each the first ten
steps of the later half): is the item that they took put above one that they never saw? A known item
is held against a known one and a new one against a new one, drawn by popularity (as often as the
held-out users took it) or uniformly, so that no answer can come from telling new from known. What
was taken before a step is read, new items too. Prints a table; ``--out`` adds the rows to a JSON
file, and what stands there is not done again.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from llmrec_env.common.arrays import BoolArray, IntArray
from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.help import HelpFormatter
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.source import open_source
from llmrec_env.language.fitting import FitConfig, fit_language_environment
from llmrec_env.language.model import LanguageEnvironmentConfig
from llmrec_env.users.language import LanguageUser

STEPS, USERS = 10, 1000
"""Steps of a user, and held-out users, that are judged at most."""
KINDS = ("popular", "uniform")
Row = dict[str, Any]


def fitted(
    data: str | None, split: int, share: float, config: FitConfig
) -> tuple[LanguageUser, InteractionLog, int]:
    """Users who were given the new items, the test users' log over all items, and how many were
    known, which stand first."""
    source = open_source(data, split)
    items = np.random.default_rng([split, 31]).permutation(source.log.n_items)
    n_new = max(1, round(share * len(items)))
    known, new = np.sort(items[n_new:]), np.sort(items[:n_new])
    parts = source.split
    model = fit_language_environment(
        parts.train.keep_items(known), parts.validation.keep_items(known), config=config
    )
    texts = np.array([bool(text) for text in source.log.catalogue.sentences])
    new = new[texts[new]]
    user = LanguageUser(model).add_items(source.log.catalogue.take(new))
    test = parts.test.keep_items(np.concatenate([known, new]))
    return user, replace(test, catalogue=user.catalogue), len(known)


def steps_of(log: InteractionLog, seed: int) -> IntArray:
    """The rows that are judged, of at most :data:`USERS` users."""
    first = np.maximum(log.lengths // 2, 1)[log.row_users]
    judged = (log.row_positions >= first) & (log.row_positions < first + STEPS)
    users = np.random.default_rng([seed, 32]).permutation(log.n_users)[:USERS]
    return np.flatnonzero(judged & np.isin(log.row_users, users))


def others(log: InteractionLog, rows: IntArray, new: BoolArray, seed: int) -> IntArray:
    """For each row an item of the same group that its user never saw, by either way of drawing."""
    rng, counts = np.random.default_rng([seed, 33]), log.item_counts() + 1e-9
    drawn = np.empty((len(rows), len(KINDS)), dtype=np.int64)
    seen = [np.unique(own) for own in log.sequences()]
    for place, row in enumerate(rows):
        group = np.flatnonzero(new == new[log.items[row]])
        left = np.setdiff1d(group, seen[log.row_users[row]], assume_unique=True)
        weights = counts[left] / counts[left].sum()
        drawn[place] = rng.choice(left, p=weights), rng.choice(left)
    return drawn


def measure(user: LanguageUser, log: InteractionLog, n_known: int, seed: int) -> Row:
    """Accuracy on known and new items, against either kind of other."""
    new = np.arange(log.n_items) >= n_known
    rows = steps_of(log, seed)
    shown = np.concatenate([log.items[rows, None], others(log, rows, new, seed)], axis=1)
    begins = log.offsets[:-1][log.row_users[rows]]
    histories = [log.items[begin:row] for begin, row in zip(begins, rows, strict=True)]
    chances = user.answers(histories, shown).accept_probability.astype(np.float64)
    wins = (chances[:, :1] > chances[:, 1:]) + 0.5 * (chances[:, :1] == chances[:, 1:])
    found: Row = {}
    for name, group in (("known", ~new), ("new", new)):
        of_group = group[log.items[rows]]
        found[f"{name} items"], found[f"{name} steps"] = int(group.sum()), int(of_group.sum())
        for place, kind in enumerate(KINDS):
            found[f"{name}, {kind}"] = float(wins[of_group, place].mean())
    return found


def row_of(arguments: argparse.Namespace) -> Row:
    """Fit, add and measure, with the CPU seconds of all."""
    began = time.process_time()
    reads = {"item_encoder": arguments.item_encoder, "language_model": arguments.lm}
    shape = LanguageEnvironmentConfig(item_ids=arguments.ids)
    config = FitConfig(shape, **reads, feedback="none")  # acceptance alone is asked
    config = config.scaled(arguments.budget)
    user, log, n_known = fitted(arguments.data, arguments.split, arguments.share, config)
    found = measure(user, log, n_known, arguments.split)
    return {**name_of(arguments), **found, "CPU seconds": round(time.process_time() - began, 1)}


def name_of(arguments: argparse.Namespace) -> Row:
    """What tells a row from others."""
    reader = Path(arguments.item_encoder).name if arguments.item_encoder else "bag of words"
    if arguments.lm and not arguments.item_encoder:
        reader = "small LM"
    data = Path(arguments.data).name if arguments.data else "generated world"
    own = {"data": data, "read by": reader, "language model": arguments.lm}
    return {**own, "ids": arguments.ids, "split": arguments.split, "budget": arguments.budget}


def show(rows: list[Row]) -> None:
    """The rows, with how much of the accuracy on known items is kept."""
    table = Table(title="Accuracy of acceptance on items nobody was trained on")
    for column in ("data", "read by", "others", "known", "new", "kept", "kept above .5"):
        table.add_column(column, justify="right")
    for row in rows:
        reader = row["read by"] + (", LM" if row["language model"] else "")
        reader += ", ids" if row["ids"] else ""
        for kind in KINDS:
            known, new = row[f"known, {kind}"], row[f"new, {kind}"]
            kept = f"{new / known:.0%}", f"{(new - 0.5) / (known - 0.5):.0%}"
            table.add_row(row["data"], reader, kind, f"{known:.3f}", f"{new:.3f}", *kept)
    Console(width=120).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=HelpFormatter
    )
    parser.add_argument("--data", help="a public dataset; the generated world where not given")
    parser.add_argument("--item-encoder", help="who reads the texts; a bag of words if not given")
    parser.add_argument("--lm", action="store_true", help="ask a language model, the small one")
    parser.add_argument("--ids", action="store_true", help="known items learn vectors of their own")
    parser.add_argument("--share", type=float, default=0.2, help="of the items, that is taken out")
    parser.add_argument("--split", type=int, default=0, help="seed of the split by user")
    parser.add_argument("--budget", type=float, default=1.0, help="factor on training lengths")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/cold_items.json"), help="where results are written"
    )
    arguments = parser.parse_args()
    rows = read_json(arguments.out) if arguments.out.exists() else []
    wanted = name_of(arguments)
    if not any(wanted.items() <= row.items() for row in rows):
        rows.append(row_of(arguments))
        write_json(arguments.out, rows)
    show(rows)
