"""What an LE answers to a batch, and the losses of these answers: state and reward, in one pass.

    L = L_sm + weight * L_rm
    L_sm = -log softmax_j( cos(s_t, v_j) / tau )[a+]        the next item among all items
    L_rm = -log sigmoid( r(x_1:t, a+) - r(x_1:t, a-) )      Bradley-Terry; a- never saw by the user

The negative of every step branches off the sequence, so both terms of T steps cost 2T tokens; 3T
where feedback is read, since then the next item is read as an action as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.nearest import EXACT_ITEMS
from llmrec_env.common.softmax import log_normaliser, product_dtype
from llmrec_env.common.training import Losses
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.learning_batches import Batch
from llmrec_env.language.learning_config import LearningConfig
from llmrec_env.language.model import LanguageEnvironment


class BatchRead(NamedTuple):
    """What is read of a batch, before anybody answers.

    Attributes:
        states: (B, T - 1, D), before each next item.
        at_taken: (B, T - 1, H), LM outputs at the next item.
        at_negative: (B, T - 1, H), at the negative in its place.
    """

    states: Tensor
    at_taken: Tensor
    at_negative: Tensor


def read_batch(le: AnsweringLE, batch: Batch) -> BatchRead:
    """Read a batch: its stretches, and the negatives that branch off them.

    Where the LE reads how items were liked, the next item is read once more as an action, which
    nobody has liked yet: at its own token it would be known by having been.
    """
    tokens, (rows, width) = batch.tokens, batch.negatives.shape
    parents = tokens.before
    if parents is None:
        parents = torch.arange(width, device=batch.items.device).expand(rows, width)
    actions, following = batch.negatives, batch.items[:, 1:]
    if tokens.values is not None:
        actions, parents = torch.cat([actions, following], dim=1), parents.repeat(1, 2)
    trunk, tips = le.read_branches(
        tokens.items, tokens.lengths, actions, parents, tokens.values, tokens.skipped
    )
    at_following = tokens.at_following(trunk) if tokens.values is None else tips[:, width:]
    means = le.heads.means(le.tables.features[batch.items])[:, :-1]
    states = le.heads.states(means, tokens.before_following(trunk))
    return BatchRead(states, at_following, tips[:, :width])


def batch_answers(le: AnsweringLE, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """States before each next item, and raw rewards of it and of the negative; (B, T - 1, …)."""
    states, at_taken, at_negative = read_batch(le, batch)
    taken = le.raw_reward(at_taken, states, batch.items[:, 1:])
    return states, taken, le.raw_reward(at_negative, states, batch.negatives)


def whole_catalogue(model: LanguageEnvironment) -> AnsweringLE | None:
    """The LE over the whole catalogue, unless that is too large or joined of several."""
    one = len(model.catalogue.parts) == 1 and len(model.catalogue) <= EXACT_ITEMS
    return AnsweringLE(model) if one else None


def own_catalogue(model: LanguageEnvironment, batch: Batch) -> Tensor:
    """The items among which a batch's next items are told, int64, where several were joined."""
    first = int(batch.items[0, 0])
    own = next(items for items in model.catalogue.parts if np.isin(first, items))
    return torch.from_numpy(own).to(model.device)


def narrowed(
    model: LanguageEnvironment, batch: Batch, others: Tensor | None = None
) -> tuple[Batch, AnsweringLE]:
    """The batch with its items, and ``others``, numbered anew, and the LE over these alone."""
    given = [batch.items, batch.negatives, batch.tokens.items]
    flat = [own.flatten() for own in given] + ([] if others is None else [others])
    items, numbers = torch.unique(torch.cat(flat), return_inverse=True)
    parts = numbers.split([len(own) for own in flat])
    taken, negatives, read = (n.view_as(own) for n, own in zip(parts, given, strict=False))
    tokens = batch.tokens._replace(items=read)
    renumbered = replace(batch, items=taken, negatives=negatives, tokens=tokens)
    return renumbered, AnsweringLE(model, items)


def batch_losses(model: LanguageEnvironment, batch: Batch, config: LearningConfig) -> Losses:
    joined = len(model.catalogue.parts) > 1
    if config.state_loss == "catalogue" and not joined:
        le = AnsweringLE(model)
    else:
        all_of_them = joined and config.state_loss == "catalogue"
        batch, le = narrowed(model, batch, own_catalogue(model, batch) if all_of_them else None)
    states, taken, other = batch_answers(le, batch)
    real = batch.real
    margin = (taken - other)[real]
    reward = -torch.nn.functional.logsigmoid(margin).mean()
    given = states[real], batch.items[:, 1:][real], batch.negatives[real]
    state = _state_loss(le, *given, config)
    return {"state": state, "reward": config.reward_weight * reward}


def _state_loss(
    le: AnsweringLE, states: Tensor, taken: Tensor, negatives: Tensor, config: LearningConfig
) -> Tensor:
    vectors, scale = le.tables.vectors, le.heads.log_scale.exp()
    if config.state_loss == "catalogue":
        scaled = states * scale
        bias = vectors.new_zeros(len(vectors))
        dtype = product_dtype(config.precision, vectors.device)
        own = (scaled * vectors[taken]).sum(-1)
        return (log_normaliser(scaled, vectors, bias, dtype) - own).mean()
    if config.state_loss == "in_batch":
        items, target = torch.unique(taken, return_inverse=True)
        logits = le.heads.logits(states, vectors[items])
        return torch.nn.functional.cross_entropy(logits, target)
    closeness = states * (vectors[taken] - vectors[negatives])
    return -torch.nn.functional.logsigmoid(closeness.sum(-1) * scale).mean()
