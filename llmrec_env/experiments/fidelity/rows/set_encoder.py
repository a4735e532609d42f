"""A plain set encoder: (item, rating) pairs, each through a small network, averaged, decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.training import TrainingConfig, shuffled_batches, train
from llmrec_env.data.log import InteractionLog
from llmrec_env.experiments.fidelity.lesson import Feedback, Lesson, ratings_of
from llmrec_env.experiments.fidelity.rows.base import ScoringRow
from llmrec_env.experiments.fidelity.rows.matrices import Reader
from llmrec_env.users.base import Histories

BATCH = 128
LONGEST = 100
"""Items of a history that are read, drawn at random where there are more."""
CHECKED = 400
"""Validation users by whom learning is stopped, at most."""


class Pairs(NamedTuple):
    """Histories as padded rows: items (N, L), values (N, L), known (N, L), there (N, L)."""

    items: Tensor
    values: Tensor
    known: Tensor
    there: Tensor


class SetNetwork(nn.Module):
    """Scores of all items from a set of pairs: item and rating -> network -> mean -> network."""

    def __init__(self, n_items: int, width: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, width)
        self.rating = nn.Linear(3, width)
        self.pair = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, width))
        self.user = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, n_items),
        )
        nn.init.normal_(self.items.weight, std=0.1)

    def forward(self, pairs: Pairs) -> Tensor:
        """Scores (N, n_items)."""
        told = torch.stack([pairs.values, pairs.values.abs(), pairs.known], dim=-1)
        read = torch.cat([self.items(pairs.items), self.rating(told)], dim=-1)
        there = pairs.there.unsqueeze(-1)
        count = there.sum(dim=1).clamp(min=1.0)
        return self.user((self.pair(read) * there).sum(dim=1) / count)


@dataclass
class SetEncoder(ScoringRow):
    """Learns from random parts of each user's ratings to tell the rest."""

    objective: Literal["liking", "taking"] = "liking"
    """What of the rest it tells: how the items were rated, or which they are."""
    hidden: float = 0.0
    """Share of the training histories in which only the likes are told, without their ratings."""
    width: int = 128
    dropout: float = 0.3
    most: int = 50
    """Items of a history in training, at most; any number from one on is as likely."""
    steps: int = 1500
    learning_rate: float = 3e-3
    weight_decay: float = 0.05

    @property
    def likes(self) -> bool:  # type: ignore[override]
        """Whether it learned how the rest was rated, or there is no rating to learn from."""
        return self.objective == "liking"

    @property
    def takes(self) -> bool:  # type: ignore[override]
        """Whether it learned what the rest is."""
        return self.objective == "taking"

    def fit(self, lesson: Lesson, folder: Path) -> None:
        """Learn, until the validation users are told no better."""
        self.n_items, self._lesson = lesson.n_items, lesson
        self._reader = Reader.of("centred", lesson)
        values = np.concatenate([self._reader.values(own) for own in lesson.feedback])
        self._scale = (float(values.std()) if lesson.rated else 0.0) or 1.0
        with torch.random.fork_rng():
            torch.manual_seed(lesson.seed)
            self._network = SetNetwork(lesson.n_items, self.width, self.dropout)
        users = np.flatnonzero(lesson.train.lengths > 1)
        batches = shuffled_batches(len(users), BATCH, lesson.seed)

        def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
            return {"loss": self._loss(*self._parts(lesson.train, users[batches(number)], rng))}

        epoch = max(1, round(len(users) / BATCH))
        config = TrainingConfig(
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            evaluate_every=max(50, 2 * epoch),
            patience=8,
            seed=lesson.seed,
        )
        held_out = np.flatnonzero(lesson.validation.lengths > 1)[:CHECKED]
        checked = self._parts(lesson.validation, held_out, np.random.default_rng([lesson.seed, 1]))
        train(
            self._network,
            loss,
            config,
            evaluate=lambda: {"told": -float(self._loss(*checked))},
            metric="told",
            description="set encoder",
        )

    def scores(self, histories: Histories, feedback: Feedback) -> FloatArray:
        """What the network tells of every item."""
        rng = np.random.default_rng(self._lesson.seed)
        pairs = self._pairs(histories, feedback, rng)
        with torch.inference_mode():
            return self._network(pairs).numpy()

    def _parts(
        self, log: InteractionLog, users: IntArray, rng: np.random.Generator
    ) -> tuple[Pairs, Tensor, Tensor]:
        """A random part of each user's ratings as history; values and places of the rest."""
        ratings = ratings_of(log)
        parts = [self._parted(log, int(user), rng) for user in users]
        told, later = [own for own, _ in parts], [own for _, own in parts]
        feedback = [ratings[rows] for rows in told]
        for place in np.flatnonzero(rng.random(len(users)) < self.hidden):
            told[place] = told[place][self._lesson.liked(feedback[place])]
            feedback[place] = np.full(len(told[place]), np.nan, dtype=np.float32)
        pairs = self._pairs([log.items[rows] for rows in told], feedback, rng)
        rows = np.concatenate(later)
        cells = np.repeat(np.arange(len(users)), [len(own) for own in later]), log.items[rows]
        wanted, there = np.zeros((2, len(users), self.n_items), dtype=np.float32)
        wanted[cells] = np.nan_to_num(ratings[rows]) / self._scale
        there[cells] = 1.0
        return pairs, torch.from_numpy(wanted), torch.from_numpy(there)

    def _parted(
        self, log: InteractionLog, user: int, rng: np.random.Generator
    ) -> tuple[IntArray, IntArray]:
        rows = rng.permutation(log.lengths[user]) + log.offsets[user]
        most = min(len(rows) - 1, self.most)
        cut = int(rng.integers(1, most + 1))
        return rows[:cut], rows[cut:]

    def _loss(self, pairs: Pairs, wanted: Tensor, there: Tensor) -> Tensor:
        scores = self._network(pairs)
        if self.objective == "taking":
            return -(torch.log_softmax(scores, dim=1) * there).sum() / there.sum().clamp(min=1)
        apart = (scores - wanted) * there
        count = there.sum(dim=1, keepdim=True).clamp(min=1)
        apart = (apart - apart.sum(dim=1, keepdim=True) / count) * there  # of a user's own mean
        return (apart**2).sum() / there.sum().clamp(min=1)

    def _pairs(self, histories: Histories, feedback: Feedback, rng: np.random.Generator) -> Pairs:
        cut = [_some(len(history), rng) for history in histories]
        width = max(1, *(len(rows) for rows in cut), 1)
        shape = (len(histories), width)
        items = np.zeros(shape, dtype=np.int64)
        values, known, there = (np.zeros(shape, dtype=np.float32) for _ in range(3))
        for row, (history, own, rows) in enumerate(zip(histories, feedback, cut, strict=True)):
            items[row, : len(rows)] = history[rows]
            told = ~np.isnan(own)
            given = np.where(told, self._reader.values(own) / self._scale, 0.0)
            values[row, : len(rows)] = given[rows]
            known[row, : len(rows)] = told[rows]
            there[row, : len(rows)] = 1.0
        return Pairs(*map(torch.from_numpy, (items, values, known, there)))


def _some(length: int, rng: np.random.Generator) -> IntArray:
    if length <= LONGEST:
        return np.arange(length)
    return np.sort(rng.choice(length, LONGEST, replace=False))
