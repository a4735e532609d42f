"""How much of the generated world's truth can be read off a bag of words?

    python benchmarks/bag_of_words_ceiling.py --seeds 3

Two tables. The first says how well ridge regression reads the true item factors off the words of
unseen items (R^2, five folds), beside the same from the hidden attributes themselves. The second
ranks the unseen items of held-out users halfway through their log and compares the order with the
true liking (mean Spearman over users): popularity, a two-tower model over words learned on the
training users' log, the same with item ids, the true minds shown factors read off the words, and
the true user whose taste is estimated from the history.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from llmrec_env.common.arrays import Float64Array, IntArray
from llmrec_env.common.progress import track
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import split_by_user
from llmrec_env.data.world.generated import World, generate_world
from llmrec_env.users.true_taste import TrueTasteUser

FloatMatrix = Float64Array
Histories = list[IntArray]


def bag_of_words(sentences: list[str]) -> FloatMatrix:
    """Which words stand in each text, float64 (n_items, n_words)."""
    texts = [set(re.findall(r"[a-z]+", sentence.lower())) for sentence in sentences]
    words = {word: column for column, word in enumerate(sorted(set().union(*texts)))}
    bags = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        bags[row, [words[word] for word in text]] = 1.0
    return bags


def one_hot_attributes(world: World) -> FloatMatrix:
    """The hidden attributes of each item, float64 (n_items, n_values)."""
    values = world.attributes.values()
    return np.concatenate([np.eye(int(value.max()) + 1)[value] for value in values], axis=1)


def read_out(inputs: FloatMatrix, targets: FloatMatrix, n_folds: int = 5) -> FloatMatrix:
    """Ridge predictions of ``targets`` for items outside the fold; the best of a few penalties."""
    folds = np.arange(len(inputs)) % n_folds
    candidates = []
    for penalty in (1.0, 3.0, 10.0, 30.0, 100.0):
        predicted = np.empty_like(targets)
        for fold in range(n_folds):
            held_out = folds == fold
            predicted[held_out] = _ridge(
                inputs[~held_out], targets[~held_out], inputs[held_out], penalty
            )
        candidates.append(predicted)
    return max(candidates, key=lambda predicted: r_squared(targets, predicted))


def _ridge(
    inputs: FloatMatrix, targets: FloatMatrix, new_inputs: FloatMatrix, penalty: float
) -> FloatMatrix:
    centre, mean = inputs.mean(axis=0), targets.mean(axis=0)
    centred = inputs - centre
    gram = centred.T @ centred + penalty * np.eye(inputs.shape[1])
    return mean + (new_inputs - centre) @ np.linalg.solve(gram, centred.T @ (targets - mean))


def r_squared(targets: FloatMatrix, predicted: FloatMatrix) -> float:
    """Share of the variance explained, over all columns together."""
    residual = ((targets - predicted) ** 2).sum()
    return float(1.0 - residual / ((targets - targets.mean(axis=0)) ** 2).sum())


def spearman(a: FloatMatrix, b: FloatMatrix) -> float:
    """Spearman correlation of two vectors without regard for ties."""
    return float(np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1])


class TwoTowers(torch.nn.Module):
    """A user is the mean of what they took plus the last item apart; an item is its features.

    ``score(history, item) = (mean_j e_j + B e_last) . c_item + bias_item``, with ``e`` and ``c``
    linear in the features; learned by the softmax over all items at every step.
    """

    def __init__(self, features: FloatMatrix, width: int = 16) -> None:
        super().__init__()
        rows = torch.as_tensor(features, dtype=torch.float32)
        self.features = rows / rows.norm(dim=1, keepdim=True)
        n_items, n_features = features.shape
        self.taken = torch.nn.Parameter(0.1 * torch.randn(n_features, width))
        self.offered = torch.nn.Parameter(0.1 * torch.randn(n_features, width))
        self.last = torch.nn.Linear(width, width, bias=False)
        self.bias = torch.nn.Parameter(torch.zeros(n_items))
        torch.nn.init.zeros_(self.last.weight)

    def forward(self, items: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Scores (M, n_items) after the places of ``items`` (N, T) that are ``wanted`` (N, T)."""
        taken = (self.features @ self.taken)[items]
        count = torch.arange(1, items.shape[1] + 1)[:, None]
        users = taken.cumsum(dim=1) / count + self.last(taken)
        return users[wanted] @ (self.features @ self.offered).T + self.bias

    def loss(self, sequences: list[torch.Tensor]) -> torch.Tensor:
        """Mean cross-entropy of the next item at every step."""
        items = pad_sequence([sequence[:-1] for sequence in sequences], batch_first=True)
        nexts = pad_sequence([s[1:] for s in sequences], batch_first=True, padding_value=-1)
        return cross_entropy(self(items, nexts >= 0), nexts[nexts >= 0])

    @torch.no_grad()
    def rank(self, histories: Histories) -> FloatMatrix:
        """Scores of all items after each history, float64 (N, n_items)."""
        rows = [torch.tensor(history)[None] for history in histories]
        ends = [torch.arange(row.shape[1])[None] == row.shape[1] - 1 for row in rows]
        scores = [self(row, end) for row, end in zip(rows, ends, strict=True)]
        return torch.cat(scores).double().numpy()


def learn(
    features: FloatMatrix,
    log: InteractionLog,
    validation: InteractionLog,
    seed: int,
    epochs: int = 25,
) -> TwoTowers:
    """Two towers fitted on ``log``: the epoch and weight decay of least validation loss."""
    torch.manual_seed(seed)
    held_out = [torch.tensor(items) for items in validation.sequences()]
    best, best_loss = {}, float("inf")
    for weight_decay in (0.1, 0.3):
        model = TwoTowers(features)
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=weight_decay)
        for _ in track(range(epochs), f"two towers, weight decay {weight_decay}"):
            _learn_epoch(model, optimiser, log)
            with torch.no_grad():
                loss = float(model.loss(held_out))
            if loss < best_loss:
                best_loss = loss
                best = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    return model


def _learn_epoch(model: TwoTowers, optimiser: torch.optim.Optimizer, log: InteractionLog) -> None:
    sequences = [torch.tensor(items) for items in log.sequences()]
    for users in torch.randperm(len(sequences)).split(64):
        optimiser.zero_grad()
        model.loss([sequences[user] for user in users]).backward()
        optimiser.step()


def rankings(world: World, seed: int) -> dict[str, float]:
    """Mean Spearman with the true liking over unseen items, for each way to rank."""
    split = split_by_user(world.log, seed=seed)
    histories = [items[: max(3, len(items) // 2)] for items in split.test.sequences()]
    users = np.arange(len(histories))
    simulator = TrueTasteUser(world, users=split.test)
    truth = simulator.true_liking(histories, users)
    words = bag_of_words(world.catalogue.sentences)
    read_factors = read_out(words, world.factors)
    mind = simulator.minds(histories, users)
    wanted = mind.taste - world.parameters.taste.satiation_weight * mind.satiation
    popularity = split.train.item_counts().astype(np.float64)

    def learned(features: FloatMatrix) -> TwoTowers:
        return learn(features, split.train, split.validation, seed)

    ranked: dict[str, NDArray[Any]] = {
        "popularity": np.broadcast_to(popularity, truth.shape),
        "words, learned on the log": learned(words).rank(histories),
        "item ids, learned on the log": learned(np.eye(len(world.catalogue))).rank(histories),
        "true minds, factors read off the words": wanted @ read_factors.T,
        "true items, taste estimated from the history": simulator.true_liking(histories),
        "the truth": truth,
    }
    unseen = np.ones(truth.shape, dtype=bool)
    for row, history in enumerate(histories):
        unseen[row, history] = False
    return {
        name: float(np.mean([spearman(score[u][unseen[u]], truth[u][unseen[u]]) for u in users]))
        for name, score in ranked.items()
    }


def readings(world: World) -> dict[str, float]:
    """R^2 of the item factors and of the quality on unseen items."""
    words, attributes = bag_of_words(world.catalogue.sentences), one_hot_attributes(world)
    quality = world.quality[:, None]
    return {
        "factors from words": r_squared(world.factors, read_out(words, world.factors)),
        "factors from attributes": r_squared(world.factors, read_out(attributes, world.factors)),
        "quality from words": r_squared(quality, read_out(words, quality)),
    }


def tabulate(title: str, columns: list[dict[str, float]]) -> Table:
    """One row a figure, one column a world, and the mean."""
    table = Table("", *(f"world {seed}" for seed in range(len(columns))), "mean", title=title)
    for name in columns[0]:
        values = [column[name] for column in columns]
        table.add_row(name, *(f"{value:.3f}" for value in values), f"{np.mean(values):.3f}")
    return table


def main(seeds: Annotated[int, typer.Option(help="number of worlds, seeds 0, 1, …")] = 3) -> None:
    """Print both tables, one column a world."""
    worlds = [generate_world(seed) for seed in range(seeds)]
    console = Console()
    console.print(tabulate("R^2 on unseen items", [readings(world) for world in worlds]))
    ranked = [rankings(world, world.seed) for world in worlds]
    console.print(tabulate("Spearman with the true liking", ranked))


if __name__ == "__main__":
    typer.run(main)
