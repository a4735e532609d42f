"""What held-out users say of an LE: next-item NDCG@10 of its states, accuracy of its rewards."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.training import Metrics
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.learning_batches import Batch, Batches
from llmrec_env.language.learning_config import LearningConfig
from llmrec_env.language.learning_losses import (
    batch_answers,
    narrowed,
    own_catalogue,
    whole_catalogue,
)
from llmrec_env.language.model import LanguageEnvironment

SAMPLED_ITEMS = 10_000  # among which validation ranks where there are too many items to rank all


@torch.inference_mode()
def validate(
    model: LanguageEnvironment, log: InteractionLog, seed: int = 0, mask_seen: bool = False
) -> Metrics:
    """Next-item NDCG@10 of the states and pairwise accuracy of the rewards, on held-out users.

    ``progress`` is what early stopping watches: the sum of the logarithms of both. Above
    ``EXACT_ITEMS`` items the next one is ranked among those of the batch and a seeded sample, so
    that NDCG is higher than among all. With ``mask_seen`` a user's earlier items stand last there,
    and an item taken again is a miss, as in :func:`evaluate_ranking`.
    """
    config = LearningConfig(seed=seed, batch_size=64)
    batches = Batches(log, model, config)
    whole = whole_catalogue(model)
    joined = len(model.catalogue.parts) > 1
    order = torch.randperm(log.n_items, generator=torch.Generator().manual_seed(seed))
    others = order[:SAMPLED_ITEMS].to(model.device)
    ranks, wins = [], []
    for group in range(batches.per_epoch):
        batch = batches.batch(group, np.random.default_rng([seed, group]))
        if joined:
            own = own_catalogue(model, batch)
            others = own[order[order < len(own)][:SAMPLED_ITEMS].to(model.device)]
        batch, le = (batch, whole) if whole is not None else narrowed(model, batch, others)
        states, raw_taken, raw_other = batch_answers(le, batch)
        logits = le.heads.logits(states[batch.real], le.tables.vectors)
        target = batch.items[:, 1:][batch.real]
        if mask_seen:
            _hide_seen(logits, batch, le, log)
        ranks.append((logits > logits.gather(1, target[:, None])).sum(1))
        wins.append((raw_taken > raw_other)[batch.real])
    rank = torch.cat(ranks).float()
    ndcg = float(torch.where(rank < 10, 1 / torch.log2(rank + 2), 0.0).mean())
    accuracy = float(torch.cat(wins).float().mean())
    progress = math.log(ndcg + 1e-6) + math.log(accuracy + 1e-6)
    return {"NDCG@10": ndcg, "accuracy": accuracy, "progress": progress}


def _hide_seen(logits: Tensor, batch: Batch, le: AnsweringLE, log: InteractionLog) -> None:
    """Set the logits (n_steps, M) of what a user took before each step to -inf, in place."""
    before, first = batch.taken_before(log)
    step = np.repeat(np.arange(len(before)), before)
    place = np.arange(len(step)) - np.repeat(np.cumsum(before) - before, before)
    seen = torch.from_numpy(log.items[np.repeat(first, before) + place]).to(logits.device)
    rows = torch.from_numpy(step).to(logits.device)
    if le.items is not None:  # it knows some items only, by their places among these
        places = torch.searchsorted(le.items, seen).clamp(max=len(le.items) - 1)
        known = le.items[places] == seen
        rows, seen = rows[known], places[known]
    logits[rows, seen] = -torch.inf
