"""Batches of what an LE learns from: stretches of sequences with the negatives of their steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError
from llmrec_env.common.training import length_groups, shuffled_batches
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives, SkippedItems
from llmrec_env.data.order import shuffle_order
from llmrec_env.data.windows import Chunks, chunk_log
from llmrec_env.language.labelling import pad, pad_flags, pad_values
from llmrec_env.language.learning_config import LearningConfig
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.skipped import Interleaved, with_drawn, with_told

LONGEST = 2  # times as many items as without are in a batch with skipped ones, at most


class ReadTokens(NamedTuple):
    """What the LM reads of a batch: the items taken, or these with skipped ones between them."""

    items: Tensor  # (B, S) right-padded
    lengths: Tensor  # (B,)
    values: Tensor | None  # (B, S): how each was liked, where the LE reads that
    skipped: Tensor | None = None  # bool (B, S); None where none is
    before: Tensor | None = None  # (B, T - 1): what is read just before each next item

    def before_following(self, trunk: Tensor) -> Tensor:
        """Of outputs (B, S, H) those just before each next item."""
        return trunk[:, :-1] if self.before is None else _at(trunk, self.before)

    def at_following(self, trunk: Tensor) -> Tensor:
        """Of outputs (B, S, H) those at each next item."""
        return trunk[:, 1:] if self.before is None else _at(trunk, self.before + 1)


def _at(outputs: Tensor, places: Tensor) -> Tensor:
    return outputs.gather(1, places[..., None].expand(-1, -1, outputs.shape[2]))


@dataclass(frozen=True)
class Batch:
    items: Tensor  # (B, T) right-padded: what was taken
    tokens: ReadTokens  # what is read
    negatives: Tensor  # (B, T - 1): an item not taken, for the step before each next item
    real: Tensor  # bool (B, T - 1): the steps that this stretch answers
    users: IntArray  # (B,): whose stretch it is
    steps: IntArray  # (B, T - 1): items that the user took before each next item

    def taken_before(self, log: InteractionLog) -> tuple[IntArray, IntArray]:
        """Of every step that is answered: how many items came before, and the first one's row."""
        real = self.real.cpu().numpy()
        first = np.broadcast_to(log.offsets[self.users][:, None], real.shape)
        return self.steps[real], first[real]


class Batches:
    """Stretches of sequences with the negatives of their steps, by the number of the batch."""

    def __init__(
        self, log: InteractionLog, model: LanguageEnvironment, config: LearningConfig
    ) -> None:
        chunks = chunk_log(log, model.config.window)
        self._chunks = chunks.take(np.flatnonzero(chunks.ends > chunks.firsts))
        if len(self._chunks) == 0:
            raise DataError("no user has two interactions; the LE learns the next from the last")
        self._log, self._seed, self._shuffled = log, config.seed, (-1, log)
        scale = model.config.feedback
        self._scale, self._is_ordered = scale, model.heads.ordered
        self._told = None if scale is None else scale.values(log)
        self._device = model.device
        self._negatives = Negatives(log, config.popular_share, any_where_none=True)
        self._skipped = SkippedItems(log, by_step=self._is_ordered)
        self._skipped_share = config.skipped_share
        self._longest = model.config.window.size + 1
        self._of_an_item = 2 if scale is None else 3
        most = None if config.batch_tokens is None else config.batch_tokens // self._of_an_item
        self._groups = self._grouped(config.batch_size, most)
        order = shuffled_batches(len(self._groups), 1, config.seed)
        self._rows = lambda number: self._groups[int(order(number)[0])]
        self.per_epoch = len(self._groups)

    def _grouped(self, size: int, most: int | None) -> list[IntArray]:
        """Stretches of like length, each group's of one of the catalogues that were joined."""
        chunks, parts, groups = self._chunks, self._log.catalogue.parts, []
        firsts = self._log.items[self._log.offsets[:-1][chunks.users]]
        for items in parts:
            rows = np.flatnonzero(np.isin(firsts, items)) if len(parts) > 1 else None
            widths = chunks.widths if rows is None else chunks.widths[rows]
            if len(widths):
                found = length_groups(widths, size, most)
                groups += found if rows is None else [rows[group] for group in found]
        return groups

    @property
    def tokens(self) -> list[int]:
        """Tokens of each group, of items and of the actions that branch off them."""
        most = [int(self._chunks.widths[group].max()) for group in self._groups]
        more = self._of_an_item - 1
        return [len(g) * (n + more * (n - 1)) for g, n in zip(self._groups, most, strict=True)]

    def batch(self, number: int, rng: np.random.Generator, skipped: float = 0.0) -> Batch:
        """The batch of a number, in the order of learning, with skipped items at a chance."""
        reads_skips = skipped > 0 and rng.random() < skipped
        return self._batch(self._rows(number), rng, number // self.per_epoch, reads_skips)

    def group(self, number: int, rng: np.random.Generator) -> Batch:
        """The stretches of one of :attr:`tokens`, which are in the order of their lengths."""
        return self._batch(self._groups[number], rng, 0, False)

    def _batch(
        self, chosen: IntArray, rng: np.random.Generator, epoch: int, reads_skips: bool
    ) -> Batch:
        chunks, log = self._chunks.take(chosen), self._log_of(epoch)
        first, ends = log.offsets[chunks.users] + chunks.starts, log.offsets[chunks.users]
        ends = ends + chunks.ends
        between = self._skips(log, chunks, rng) if reads_skips else None
        if between is not None:  # the first items make room for those that were skipped
            first = ends - np.array([len(own.places) for own in between], dtype=np.int64)
        rows = [np.arange(*own) for own in zip(first, ends, strict=True)]
        items, lengths = pad([log.items[own] for own in rows], self._device)
        if len(log.catalogue.parts) > 1:
            items = _of_one_catalogue(items, lengths)
        values = None if self._told is None else [self._told[own] for own in rows]
        width = items.shape[1] - 1
        steps = (first - log.offsets[chunks.users])[:, None] + np.arange(1, width + 1)
        real = (steps >= chunks.firsts[:, None]) & (steps < chunks.ends[:, None])
        users = np.repeat(chunks.users, width)
        if between is None:
            negatives = self._not_taken(users, steps.ravel(), rng)
            padded = None if values is None else pad_values(values, self._device)
            tokens = ReadTokens(items, lengths, padded)
        else:  # what was skipped there has been read, and is not shown again
            negatives = self._negatives.draw(users, rng)
            tokens = _tokens_with(between, values, self._device)
            if len(log.catalogue.parts) > 1:
                tokens = tokens._replace(items=_of_one_catalogue(tokens.items, tokens.lengths))
        return Batch(
            items,
            tokens,
            torch.from_numpy(negatives.reshape(len(chunks), width)).to(self._device),
            torch.from_numpy(real).to(self._device),
            chunks.users,
            steps,
        )

    def _not_taken(self, users: IntArray, steps: IntArray, rng: np.random.Generator) -> IntArray:
        """A negative of each step, int64 (N,)."""
        unseen = self._negatives.draw(users, rng)
        if not len(self._skipped):
            return unseen
        skipped = self._skipped.draw(users, steps, rng)
        chosen = (skipped >= 0) & (rng.random(len(users)) < self._skipped_share)
        return np.where(chosen, skipped, unseen)

    def _skips(
        self, log: InteractionLog, chunks: Chunks, rng: np.random.Generator
    ) -> list[Interleaved]:
        """The stretches with what was skipped between their items, or with drawn items there."""
        first = log.offsets[chunks.users] + chunks.starts
        taken = [log.items[i : i + w] for i, w in zip(first, chunks.widths, strict=True)]
        most = min(self._longest, LONGEST * int(chunks.widths.max()))

        def draw(numbers: IntArray) -> IntArray:
            return self._negatives.draw(chunks.users[numbers], rng)

        drawn = with_drawn(taken, most, draw, rng)
        if log.skips is None:
            return drawn
        told = [log.skips.of_user(user) for user in chunks.users.tolist()]
        return [
            with_told(own, items, after - start, most) or instead
            for own, (items, after), start, instead in zip(
                taken, told, chunks.starts.tolist(), drawn, strict=True
            )
        ]

    def _log_of(self, epoch: int) -> InteractionLog:
        """The log in the order of an epoch: where there is no order, in another one each time."""
        if self._is_ordered:
            return self._log
        if self._shuffled[0] != epoch:
            self._shuffled = epoch, shuffle_order(self._log, self._seed + epoch)
            if self._scale is not None:
                self._told = self._scale.values(self._shuffled[1])
        return self._shuffled[1]


def _of_one_catalogue(items: Tensor, lengths: Tensor) -> Tensor:
    """Right-padded items (B, T), padded with their first: item 0 may be of another catalogue."""
    there = torch.arange(items.shape[1], device=items.device) < lengths[:, None]
    return torch.where(there, items, items[:, :1])


def _tokens_with(
    between: list[Interleaved], values: list[FloatArray] | None, device: torch.device
) -> ReadTokens:
    """What is read of stretches with skipped items; ``values`` stand beside the items taken."""
    items, lengths = pad([own.items for own in between], device)
    skipped = pad_flags([own.skipped for own in between], device)
    before, _ = pad([own.places[1:] - 1 for own in between], device)
    padded = None
    if values is not None:
        told = [np.full(len(own.items), np.nan, dtype=np.float32) for own in between]
        for each, own, known in zip(told, between, values, strict=True):
            each[own.places] = known
        padded = pad_values(told, device)
    return ReadTokens(items, lengths, padded, skipped, before)
