"""What the members of an LE know: do they err less together, and disagree where they err?

    python benchmarks/disagreement.py --priors 0,0.3,1

Users of the generated world, whose true liking of every item is known, are asked about all items
after half of their logs: the embedded LE alone, and with members that begin so far apart. A row has

* accuracy: how often validation users' items are told from others (the mean of the members);
* order: Spearman of the answer with true liking, mean over users;
* spread: the members' standard deviation, mean over users and items;
* error: Spearman of the spread with the error, which is the distance of true liking from what is
  usual at such an answer;
* top 10: true liking of the ten unseen items of the best answer, and of the best answer less one
  standard deviation.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from llmrec_env.common.arrays import Float64Array, FloatArray
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.envs.next_item.initial_histories import InitialHistories
from llmrec_env.evaluation.fidelity import spearman
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.labelling import pad
from llmrec_env.language.member_learning import MembersConfig, learn_members
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.users.base import Histories
from llmrec_env.users.origin import EMBEDDED
from llmrec_env.users.true_taste import TrueTasteUser

USERS, TOGETHER, BINS = 150, 10, 40


@torch.inference_mode()
def answers(model: LanguageEnvironment, histories: Histories) -> FloatArray:
    """What each member says of all items, float32 (K, N, n_items)."""
    le, found = AnsweringLE(model), []
    everything = torch.arange(le.n_items)
    for first in range(0, len(histories), TOGETHER):
        items, lengths = pad(histories[first : first + TOGETHER], le.device)
        actions = everything.expand(len(items), -1)
        parents = (lengths[:, None] - 1).expand_as(actions)
        trunk, tips = le.read_branches(items, lengths, actions, parents)
        states = le.states(items, trunk)[torch.arange(len(items)), lengths - 1]
        found.append(le.appeals(tips, states[:, None], actions))
    return torch.cat(found, dim=1).numpy()


def usual(answer: Float64Array, truth: Float64Array) -> Float64Array:
    """The mean truth where the answer is about the same."""
    edges = np.quantile(answer, np.linspace(0, 1, BINS + 1)[1:-1])
    bins = np.searchsorted(edges, answer)
    means = np.bincount(bins.ravel(), truth.ravel()) / np.bincount(bins.ravel())
    return np.asarray(means[bins])


def measured(model: LanguageEnvironment, histories: Histories, truth: FloatArray) -> list[str]:
    """The cells of a row after the accuracy."""
    each = answers(model, histories).astype(np.float64)
    mean, spread, true = each.mean(0), each.std(0), truth.astype(np.float64)
    order = np.mean([spearman(*pair) for pair in zip(mean, true, strict=True)])
    error = (
        ""
        if len(each) == 1
        else f"{spearman(spread.ravel(), abs(true - usual(mean, true)).ravel()):.3f}"
    )
    best = []
    for pessimism in (0.0, 1.0):
        score = mean - pessimism * spread
        for row, history in enumerate(histories):
            score[row, history] = -np.inf
        top = np.argsort(-score, axis=1)[:, :10]
        best.append(f"{np.take_along_axis(true, top, axis=1).mean():.4f}")
    return [f"{order:.3f}", f"{spread.mean():.3f}", error, *best]


def main() -> None:
    """Print a row for the LE alone and one for each prior."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--priors", default="0,0.3,1", help="with commas")
    parser.add_argument("--members", type=int, default=5, help="LEs to learn")
    given = parser.parse_args()
    torch.set_num_threads(1)
    world: World = generate_world(seed=0)
    split = split_by_user(world.log, seed=0)
    opening = InitialHistories(split.test)
    users = opening.eligible[:USERS]
    histories = [opening.history(user) for user in users]
    truth = TrueTasteUser(world, split.test).true_liking(histories, users)
    columns = ("accuracy", "order", "spread", "error", "top 10", "top 10, pessimist")
    table = Table("LE", *columns)
    model = LanguageEnvironment.from_pretrained(EMBEDDED)
    alone = max(row["accuracy"] for row in model.record["learning"]["curve"])
    table.add_row("alone", f"{alone:.4f}", *measured(model, histories, truth))
    for prior in map(float, given.priors.split(",")):
        config = MembersConfig(count=given.members, prior=prior)
        learn_members(model, split.train, split.validation, config)
        told = model.record["members"]["accuracy"]
        table.add_row(f"prior {prior:g}", f"{told:.4f}", *measured(model, histories, truth))
    Console().print(table)


if __name__ == "__main__":
    main()
