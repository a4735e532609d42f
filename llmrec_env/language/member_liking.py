"""Learns what members like, on what the LE's own liking head reads of bootstrapped users."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.training import TrainingConfig, TrainingHistory, train
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.liking import LikingTables
from llmrec_env.language.liking_folds import LikingFolds
from llmrec_env.language.liking_learning import BEGINNINGS, LikingConfig, cut_once, told_errors
from llmrec_env.language.liking_users import LikingUsers, Parts, too_little
from llmrec_env.language.members import LikingMembers

if TYPE_CHECKING:
    from llmrec_env.language.model import LanguageEnvironment


def learn_liking_members(
    model: LanguageEnvironment,
    members: LikingMembers,
    train_log: InteractionLog,
    validation: InteractionLog,
    counts: FloatArray,
    config: LikingConfig | None = None,
    folder: Path | None = None,
    run: str = "",
) -> TrainingHistory:
    """Learn the liking of members, on what the LE's own liking head reads of bootstrapped users.

    Args:
        model: the LE, whose head stays as it is.
        members: who learn.
        train_log: users from whom to learn.
        validation: by whom learning stops.
        counts: float32 (n_users, K), how often each training user is in each member's draw.
        config: how; the number of steps is that of one beginning.
        folder: of checkpoints.
        run: what else makes this run the same run.

    Raises:
        DataError: no training user has enough feedback.
    """
    head, scale, config = model.heads.liking, model.config.feedback, config or LikingConfig()
    assert head is not None
    assert scale is not None
    learned, held_out = (
        LikingUsers(log, scale, config.most, config.hidden) for log in (train_log, validation)
    )
    if not len(learned.users):
        raise DataError(too_little(scale.source))
    size, checks = head.eval().posterior.size, cut_once(held_out, config)
    folds = LikingFolds(train_log, learned, size, config.batch_size, config.seed)
    device, weights = model.device, torch.from_numpy(counts).to(model.device)
    with torch.no_grad():
        of_all = head.tables(model.item_features)

    def errors(parts: Parts, weights: Tensor, tables: LikingTables) -> Tensor:
        """Of each member, (K,)."""
        with torch.no_grad():
            pools = head.summed(tables, parts.items, parts.values, parts.read)
            users = head.users(pools)[:, None]
        asked, level = members.tables(tables)
        alone = head.alone(users)
        told = members.expected(users, asked[parts.asked], level[parts.asked], alone)
        each = [
            told_errors(own, parts.wanted, parts.there, config.order, weight)
            for own, weight in zip(told.unbind(-1), weights.unbind(-1), strict=True)
        ]
        return torch.stack(each)

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        users, others = folds.batch(number)
        parts = learned.parts(users, rng).to(device)
        tables = head.with_axes(of_all, others.to(device))
        return {"liking": errors(parts, weights[users], tables).sum()}

    def evaluate() -> dict[str, float]:
        ones = [torch.ones(len(parts.items), counts.shape[1], device=device) for parts in checks]
        pairs = zip(checks, ones, strict=True)
        found = [errors(parts.to(device), one, of_all).mean() for parts, one in pairs]
        return {"told": -float(torch.stack(found).mean())} if found else {"told": 0.0}

    return train(
        members.requires_grad_(True),
        loss,
        TrainingConfig(
            steps=config.steps,
            learning_rate=config.learning_rate,
            weight_decay=BEGINNINGS[0].weight_decay,
            evaluate_every=max(1, config.steps // 20),
            patience=config.patience,
            seed=config.seed,
        ),
        evaluate=evaluate,
        metric="told",
        folder=None if folder is None else folder / "liking-members",
        run=run,
        description="learn what members like",
    )
