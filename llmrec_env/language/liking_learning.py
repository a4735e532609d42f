"""Learns the liking head from feedback: a random part of each user's items is read, the rest told.

    L = (1 - c) mean (z^ - z)^2  +  c mean ((z^ - mean_u z^) - (z - mean_u z))^2          c = 0.8

z is the feedback within its user, and the second term asks only for the order of one user's items.
Of some users only what they liked is read, without how much, since many logs tell no more; and some
items are known by their text alone, so that text carries those that nobody has rated yet.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.settings_types import check_types
from llmrec_env.common.training import TrainingConfig, TrainingHistory, clear_checkpoint, train
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.liking import LikingHead
from llmrec_env.language.liking_folds import LikingFolds
from llmrec_env.language.liking_users import LikingUsers, Parts, too_little

if TYPE_CHECKING:
    from llmrec_env.language.model import LanguageEnvironment

CHECKED = 1000
"""Validation users that are told at most."""


class Beginning(NamedTuple):
    """How apart items are when learning begins, and how hard it is to learn them by heart.

    Attributes:
        own: factor on the random numbers of an item's own.
        dropout: of the head.
        weight_decay: of its weights.
    """

    own: float
    dropout: float
    weight_decay: float


BEGINNINGS = (Beginning(1.0, 0.3, 0.05), Beginning(0.1, 0.5, 0.3))
"""Few items that many rated are best told apart from the start; of many items that few rated,
random numbers are noise. Both are learned, and what tells validation users better stays."""


@dataclass(frozen=True)
class LikingConfig:
    """How the liking head learns.

    Raises:
        SettingError: a share is not in [0, 1], or a length too small.
    """

    steps: int = 3000
    """Optimiser steps at most."""
    batch_size: int = 128
    """Users a step."""
    learning_rate: float = 2e-3
    most: int = 60
    """Items that are read of a user at most; each number from one on is as likely, in every other
    draw each up to :data:`~llmrec_env.language.liking_users.SHORT`."""
    hidden: float = 0.4
    """Share of the users of whom only the liked items are read, and not how they were liked."""
    text_only: float = 0.1
    """Share of the items that a step knows by their text alone."""
    order: float = 0.8
    """Weight c of the order within a user."""
    patience: int = 6
    """Validations without progress before stopping."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("hidden", "text_only", "order"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("steps", "batch_size", "most"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} must be at least 1, got {getattr(self, name)}")


def learn_liking(
    model: LanguageEnvironment,
    train_log: InteractionLog,
    validation: InteractionLog,
    config: LikingConfig | None = None,
    checkpoint: str | Path | None = None,
    run: str = "",
) -> None:
    """Learn the liking head of an LE from each beginning, keep the best on validation users.

    Its record says what was measured, under "liking".

    Raises:
        DataError: no training user has enough feedback.
    """
    head = model.heads.liking
    assert head is not None
    config = config or LikingConfig()
    folder = None if checkpoint is None else Path(checkpoint) / "liking"
    scale, features, device = model.config.feedback, model.item_features, model.device
    assert scale is not None
    learned, held_out = (
        LikingUsers(log, scale, config.most, config.hidden) for log in (train_log, validation)
    )
    if not len(learned.users):
        raise DataError(too_little(scale.source))
    size, checks = head.posterior.size, cut_once(held_out, config)
    folds = LikingFolds(train_log, learned, size, config.batch_size, config.seed)
    level, axes = folds.level.to(device), folds.axes.to(device)

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        users, others = folds.batch(number)
        parts = learned.parts(users, rng)
        kept = _some_kept(rng, head, config)
        return {"liking": _loss(head, features, parts.to(device), config, kept, others.to(device))}

    def evaluate() -> dict[str, float]:
        was = head.training
        head.eval()
        with torch.inference_mode():
            errors = [_loss(head, features, parts.to(device), config) for parts in checks]
        head.train(was)
        return {"told": -float(torch.stack(errors).mean())} if errors else {"told": 0.0}

    first = copy.deepcopy(head.state_dict())
    best: tuple[TrainingHistory, dict[str, Tensor], Beginning] | None = None
    for place, beginning in enumerate(BEGINNINGS):
        head.load_state_dict(first)
        head.begin(beginning.own, beginning.dropout, level, axes)
        history = train(
            head,
            loss,
            TrainingConfig(
                steps=config.steps,
                learning_rate=config.learning_rate,
                weight_decay=beginning.weight_decay,
                evaluate_every=max(1, config.steps // 20),
                patience=config.patience,
                seed=config.seed,
            ),
            evaluate=evaluate,
            metric="told",
            folder=None if folder is None else folder / str(place),
            run=run,
            description="learn what is liked",
        )
        if best is None or history.best_metric > best[0].best_metric:
            best = history, copy.deepcopy(head.state_dict()), beginning
    assert best is not None
    history, weights, beginning = best
    head.load_state_dict(weights)
    _forget_unrated(head, train_log, model)
    model.record["liking"] = {
        "curve": history.rows,
        "best_step": history.best_step,
        "beginning": beginning._asdict(),
        "share_of_own": share_of_own(head, features),
    }
    if folder is not None:
        for place in range(len(BEGINNINGS)):
            clear_checkpoint(folder / str(place))
        clear_checkpoint(folder)


def cut_once(held_out: LikingUsers, config: LikingConfig) -> list[Parts]:
    """Validation users, cut once, some at a time."""
    rng, users = np.random.default_rng([config.seed, 1]), held_out.users[:CHECKED]
    groups = np.array_split(users, -(-len(users) // 250)) if len(users) else []
    return [held_out.parts(group, rng) for group in groups]


def _some_kept(rng: np.random.Generator, head: LikingHead, config: LikingConfig) -> Tensor:
    """Which items a step knows by more than their text, float32 (n_items, 1)."""
    kept = rng.random((head.n_items, 1)) >= config.text_only
    return torch.from_numpy(kept.astype(np.float32)).to(head.own.device)


def _loss(
    head: LikingHead,
    features: Tensor,
    parts: Parts,
    config: LikingConfig,
    kept: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    tables = head.tables(features, kept, axes)
    users = head.users(head.summed(tables, parts.items, parts.values, parts.read))
    told = head.expected(users[:, None], tables, parts.asked)
    return told_errors(told, parts.wanted, parts.there, config.order)


def told_errors(
    told: Tensor, wanted: Tensor, there: Tensor, order: float, weights: Tensor | None = None
) -> Tensor:
    """The loss L of what is told of users, (B, A).

    Args:
        told: z^.
        wanted: z.
        there: 1 where something is asked, else 0.
        order: c.
        weights: (B,), how much each user counts; None: alike.
    """
    apart = (told - wanted) * there
    count = there.sum(1, keepdim=True).clamp(min=1)
    centred = (apart - apart.sum(1, keepdim=True) / count) * there
    if weights is not None:
        there = there * weights[:, None]
        apart, centred = (errors * weights[:, None].sqrt() for errors in (apart, centred))
    total = there.sum().clamp(min=1)
    return ((1 - order) * (apart**2).sum() + order * (centred**2).sum()) / total


def _forget_unrated(head: LikingHead, log: InteractionLog, model: LanguageEnvironment) -> None:
    """Items that nobody rated are known by their text alone."""
    scale = model.config.feedback
    assert scale is not None
    rated = np.zeros(log.n_items, dtype=bool)
    rated[log.items[~np.isnan(scale.values(log))]] = True
    head.forget(torch.from_numpy(~rated).to(head.own.device))


def share_of_own(head: LikingHead, features: Tensor) -> float:
    """How much of the items' tables is their own numbers and not their texts, in [0, 1]."""
    with torch.inference_mode():
        own, text = head.own.square().sum(), head.texts(features).square().sum()
        return float(own / (own + text))
