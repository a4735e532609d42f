"""Trains an LE on users' sequences: state and reward losses, one pass a batch.

    L = L_sm + weight * L_rm
    L_sm = -log softmax_j( cos(s_t, v_j) / tau )[a+]        the next item among all items
    L_rm = -log sigmoid( r(x_1:t, a+) - r(x_1:t, a-) )      Bradley-Terry; a- never saw by the user

Where the log tells what was shown and not taken, most a- of steps with such items are these.
The negative of every step branches off the sequence, so both terms of T steps cost 2T tokens; 3T
where feedback is read, since then the next item is read as an action as well.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common import processes
from llmrec_env.common.arrays import FloatArray, IntArray
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.files import fingerprint
from llmrec_env.common.nearest import EXACT_ITEMS
from llmrec_env.common.settings_types import check_types
from llmrec_env.common.softmax import Precision, log_normaliser, product_dtype
from llmrec_env.common.training import (
    Losses,
    Metrics,
    TrainingConfig,
    clear_checkpoint,
    length_groups,
    shuffled_batches,
    train,
)
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.negatives import Negatives, SkippedItems
from llmrec_env.data.order import shuffle_order
from llmrec_env.data.repeats import masks_seen
from llmrec_env.data.windows import Chunks, chunk_log
from llmrec_env.language.answering import AnsweringLE
from llmrec_env.language.calibration import calibrate
from llmrec_env.language.item_parts import keep_what_helps, measure_parts
from llmrec_env.language.labelling import pad, pad_flags, pad_values
from llmrec_env.language.liking_learning import LikingConfig, learn_liking
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.skipped import Interleaved, with_drawn, with_told

LONGEST = 2  # times as many items as without are in a batch with skipped ones, at most
SAMPLED_ITEMS = 10_000  # among which validation ranks where there are too many items to rank all


@dataclass(frozen=True)
class LearningConfig:
    """How the LE learns from users.

    Raises:
        DataError: a share lies outside its range, or a length is too small.
    """

    share: float = 1.0
    """Share of the training users that it learns from."""
    state_loss: Literal["auto", "catalogue", "in_batch", "pairwise"] = "auto"
    """What the next item is told from: all items, the batch's next items, or the one negative;
    "auto" is all items up to ``EXACT_ITEMS`` of them, above that the batch's."""
    reward_weight: float = 1.0
    """Weight of the reward model's loss."""
    popular_share: float = 0.5
    """Share of the negatives drawn by popularity; the others are uniform."""
    skipped_share: float = 0.8
    """Share of the negatives that are items shown at that step and not taken, of the steps at which
    the log tells any; the others stay what they are elsewhere."""
    read_skips: float = 0.15
    """Share of the batches in which skipped items are read between those taken: the log's, or,
    where it tells none, items drawn like negatives. So the LE learns what a skip says, for
    ``remember_skips``. 0 where it is never to read any."""
    epochs: int = 8
    """Passes over the users at most."""
    min_steps: int = 300
    """Optimiser steps at least, for small shares. Where ``epochs`` passes are fewer, the learning
    rate falls in proportion: more and smaller steps, so that few users are not learned by heart."""
    batch_size: int = 32
    """Stretches of sequences a step, of each process where several learn together."""
    batch_tokens: int | None = None
    """Tokens of a step at most, of items and of the actions that branch off them: stretches are
    fewer where they are long. None sets no limit."""
    gradient_checkpointing: bool = False
    """Whether the LM's outputs are computed again for the gradient instead of kept: a third more
    time, and memory that hardly grows with the layers. The numbers are the same."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    validations: int = 12
    """Validations over the longest training."""
    patience: int = 3
    """Validations without progress before stopping."""
    validation_users: int = 500
    """Held-out users that a validation reads at most."""
    mask_seen: bool | None = None
    """Whether validation leaves out what a user has seen; None: where repeats are rarer than 1% of
    the training log (:func:`llmrec_env.data.repeats.masks_seen`). The record says what came of it.
    """
    precision: Precision = "auto"
    """Number format of the products over the whole catalogue; "auto" is bfloat16 where the machine
    has instructions for it."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        if not 0 < self.share <= 1:
            raise DataError(f"share of the training users must lie in (0, 1], got {self.share}")
        for name in ("skipped_share", "read_skips"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise DataError(f"{name} must lie in [0, 1], got {value}")
        for name, least in (("epochs", 1), ("min_steps", 0), ("batch_tokens", 2)):
            if (value := getattr(self, name)) is not None and value < least:
                raise DataError(f"{name} must be at least {least}, got {value}")


def learn(
    model: LanguageEnvironment,
    train_log: InteractionLog,
    validation: InteractionLog,
    config: LearningConfig | None = None,
    checkpoint: str | Path | None = None,
    liking: LikingConfig | None = None,
) -> None:
    """Learn state and reward on users, keep the best weights on validation, calibrate acceptance.

    Where the LE reads feedback, how much items are liked is learned afterwards, apart from what is
    taken. Several processes share the passes over the users, and end with the same LE.

    Raises:
        DataError: the share is out of range, or a log is too small to learn from.
        LLMRecError: ``checkpoint`` holds another run, or the LE was loaded to answer only.
    """
    if not model.backend.can_learn:
        raise LLMRecError(
            "this LE was loaded to answer only, its adapter folded into the base model; load it "
            "with LanguageEnvironment.from_pretrained to let it learn"
        )
    check_same_catalogue(model.catalogue, train_log.catalogue, "the training log, for this LE")
    check_same_catalogue(train_log.catalogue, validation.catalogue, "the validation log")
    model.changed()
    config = _decided(config or LearningConfig(), model)
    if validation.n_users == 0:
        raise DataError("no validation users; early stopping and calibration need some held out")
    log = some_users(train_log, config.share, config.seed)
    batches = _Batches(log, model, config)
    checks = _checks(validation, config)
    masked = masks_seen(train_log, config.mask_seen)
    passes = -(-config.epochs * batches.per_epoch // processes.count())
    steps = max(config.min_steps, passes)
    folder = Path(checkpoint) / "learning" if checkpoint is not None else None
    model.backend.recompute(config.gradient_checkpointing)
    run = _name_of_run(model, log, config)
    _let_learn(model.heads.liking, False)  # it learns by itself, afterwards
    history = train(
        model,
        lambda number, rng: _losses(model, batches.batch(number, rng, config.read_skips), config),
        TrainingConfig(
            steps=steps,
            learning_rate=config.learning_rate * passes / steps,
            weight_decay=config.weight_decay,
            evaluate_every=max(1, -(-steps // config.validations)),
            patience=config.patience,
            seed=config.seed,
        ),
        evaluate=lambda: validate(model, checks, 0, masked),
        metric="progress",
        folder=folder,
        run=run,
        description="learn the user",
    )

    if model.heads.liking is not None:
        _let_learn(model.heads.liking, True)
        learn_liking(model, log, validation, liking, checkpoint, run)
        model.eval()

    parts = processes.on_main(
        lambda: measure_parts(model, lambda: validate(model, checks, 0, masked))
    )
    keep_what_helps(model, parts)

    def finish() -> tuple[float, float, dict[str, Any]]:
        _set_normalisers(model, batches, config)
        calibrate(model, validation, config.seed)
        return float(model.reward_mean), float(model.reward_sd), model.record["acceptance"]

    mean, sd, model.record["acceptance"] = processes.on_main(finish)
    model.reward_mean.fill_(mean)
    model.reward_sd.fill_(sd)
    model.record["learning"] = {
        "training_users": train_log.users_fingerprint,
        "training_log": train_log.interactions_fingerprint,
        "users": log.n_users,
        "interactions": len(log),
        "mask_seen": masked,
        "curve": history.rows,
        "best_step": history.best_step,
        "parts": parts,
    }
    if folder is not None:
        clear_checkpoint(folder)


def _decided(config: LearningConfig, model: LanguageEnvironment) -> LearningConfig:
    """The settings with what depends on the catalogue."""
    if config.state_loss != "auto":
        return config
    few = max(map(len, model.catalogue.parts)) <= EXACT_ITEMS
    return replace(config, state_loss="catalogue" if few else "in_batch")


def _checks(validation: InteractionLog, config: LearningConfig) -> InteractionLog:
    """The users that a validation reads."""
    return some_users(validation, min(1.0, config.validation_users / validation.n_users), 0)


class Trial:
    """Single steps of a learning to come, to be timed; no weight moves.

    Attributes:
        tokens: that each group of stretches has in a step, padding included, in rising order.
        step_tokens: of all steps of the longest learning.
        read_tokens: of all its validations.
    """

    def __init__(
        self,
        model: LanguageEnvironment,
        train_log: InteractionLog,
        validation: InteractionLog,
        config: LearningConfig,
    ) -> None:
        self._model, self._config = model, _decided(config, model)
        model.backend.recompute(config.gradient_checkpointing)
        log = some_users(train_log, config.share, config.seed)
        self._batches = _Batches(log, model, config)
        self.tokens = self._batches.tokens
        steps = max(config.min_steps, config.epochs * self._batches.per_epoch)
        self.step_tokens = steps * sum(self.tokens) / len(self.tokens)
        self.step_tokens *= 1 + config.read_skips * (LONGEST - 1) / 2
        checks = _Batches(_checks(validation, config), model, LearningConfig())
        self.read_tokens = (config.validations + 1) * sum(checks.tokens)

    @property
    def middle(self) -> int:
        """The number of a group of middling size."""
        return len(self.tokens) // 2

    def step(self, group: int) -> None:
        """The losses of a group and their gradient."""
        self._model.train()
        batch = self._batches.group(group, np.random.default_rng(0))
        torch.stack(list(_losses(self._model, batch, self._config).values())).sum().backward()
        self._model.zero_grad(set_to_none=True)

    @torch.inference_mode()
    def read(self, group: int) -> None:
        """The answers to a group, as a validation asks for them."""
        self._model.eval()
        batch = self._batches.group(group, np.random.default_rng(0))
        _losses(self._model, batch, self._config)


def _let_learn(module: torch.nn.Module | None, learns: bool) -> None:
    for parameter in () if module is None else module.parameters():
        parameter.requires_grad_(learns)


def _name_of_run(model: LanguageEnvironment, log: InteractionLog, config: LearningConfig) -> str:
    settings = json.dumps([asdict(config), asdict(model.config)], sort_keys=True)
    tokens = model.item_tokens.cpu().numpy().tobytes()
    return fingerprint([settings, log.items.tobytes(), log.offsets.tobytes(), tokens])


def some_users(log: InteractionLog, share: float, seed: int) -> InteractionLog:
    """A seeded choice of a share of the users, at least one."""
    count = max(1, round(share * log.n_users))
    chosen = np.random.default_rng(seed).permutation(log.n_users)[:count]
    return log.select_users(np.sort(chosen))


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
    batches = _Batches(log, model, config)
    whole = _whole(model)
    joined = len(model.catalogue.parts) > 1
    order = torch.randperm(log.n_items, generator=torch.Generator().manual_seed(seed))
    others = order[:SAMPLED_ITEMS].to(model.device)
    ranks, wins = [], []
    for group in range(batches.per_epoch):
        batch = batches.batch(group, np.random.default_rng([seed, group]))
        if joined:
            own = _own_catalogue(model, batch)
            others = own[order[order < len(own)][:SAMPLED_ITEMS].to(model.device)]
        batch, le = (batch, whole) if whole is not None else _narrowed(model, batch, others)
        states, raw_taken, raw_other = _answers(le, batch)
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


def _hide_seen(logits: Tensor, batch: _Batch, le: AnsweringLE, log: InteractionLog) -> None:
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


class _Tokens(NamedTuple):
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
class _Batch:
    items: Tensor  # (B, T) right-padded: what was taken
    tokens: _Tokens  # what is read
    negatives: Tensor  # (B, T - 1): an item not taken, for the step before each next item
    real: Tensor  # bool (B, T - 1): the steps that this stretch answers
    users: IntArray  # (B,): whose stretch it is
    steps: IntArray  # (B, T - 1): items that the user took before each next item

    def taken_before(self, log: InteractionLog) -> tuple[IntArray, IntArray]:
        """Of every step that is answered: how many items came before, and the first one's row."""
        real = self.real.cpu().numpy()
        first = np.broadcast_to(log.offsets[self.users][:, None], real.shape)
        return self.steps[real], first[real]


class _Batches:
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

    def batch(self, number: int, rng: np.random.Generator, skipped: float = 0.0) -> _Batch:
        """The batch of a number, in the order of learning, with skipped items at a chance."""
        reads_skips = skipped > 0 and rng.random() < skipped
        return self._batch(self._rows(number), rng, number // self.per_epoch, reads_skips)

    def group(self, number: int, rng: np.random.Generator) -> _Batch:
        """The stretches of one of :attr:`tokens`, which are in the order of their lengths."""
        return self._batch(self._groups[number], rng, 0, False)

    def _batch(
        self, chosen: IntArray, rng: np.random.Generator, epoch: int, reads_skips: bool
    ) -> _Batch:
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
        told = None if self._scale is None else self._scale.values(log)
        values = None if told is None else [told[own] for own in rows]
        width = items.shape[1] - 1
        steps = (first - log.offsets[chunks.users])[:, None] + np.arange(1, width + 1)
        real = (steps >= chunks.firsts[:, None]) & (steps < chunks.ends[:, None])
        users = np.repeat(chunks.users, width)
        if between is None:
            negatives = self._not_taken(users, steps.ravel(), rng)
            padded = None if values is None else pad_values(values, self._device)
            tokens = _Tokens(items, lengths, padded)
        else:  # what was skipped there has been read, and is not shown again
            negatives = self._negatives.draw(users, rng)
            tokens = _tokens_with(between, values, self._device)
            if len(log.catalogue.parts) > 1:
                tokens = tokens._replace(items=_of_one_catalogue(tokens.items, tokens.lengths))
        return _Batch(
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
        return self._shuffled[1]


def _of_one_catalogue(items: Tensor, lengths: Tensor) -> Tensor:
    """Right-padded items (B, T), padded with their first: item 0 may be of another catalogue."""
    there = torch.arange(items.shape[1], device=items.device) < lengths[:, None]
    return torch.where(there, items, items[:, :1])


def _tokens_with(
    between: list[Interleaved], values: list[FloatArray] | None, device: torch.device
) -> _Tokens:
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
    return _Tokens(items, lengths, padded, skipped, before)


def _answers(le: AnsweringLE, batch: _Batch) -> tuple[Tensor, Tensor, Tensor]:
    """States before each next item, and raw rewards of it and of the negative; (B, T - 1, …).

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
    taken = le.raw_reward(at_following, states, following)
    other = le.raw_reward(tips[:, :width], states, batch.negatives)
    return states, taken, other


def _whole(model: LanguageEnvironment) -> AnsweringLE | None:
    """The LE over the whole catalogue, unless that is too large or joined of several."""
    one = len(model.catalogue.parts) == 1 and len(model.catalogue) <= EXACT_ITEMS
    return AnsweringLE(model) if one else None


def _own_catalogue(model: LanguageEnvironment, batch: _Batch) -> Tensor:
    """The items among which a batch's next items are told, int64, where several were joined."""
    first = int(batch.items[0, 0])
    own = next(items for items in model.catalogue.parts if np.isin(first, items))
    return torch.from_numpy(own).to(model.device)


def _narrowed(
    model: LanguageEnvironment, batch: _Batch, others: Tensor | None = None
) -> tuple[_Batch, AnsweringLE]:
    """The batch with its items, and ``others``, numbered anew, and the LE over these alone."""
    given = [batch.items, batch.negatives, batch.tokens.items]
    flat = [own.flatten() for own in given] + ([] if others is None else [others])
    items, numbers = torch.unique(torch.cat(flat), return_inverse=True)
    parts = numbers.split([len(own) for own in flat])
    taken, negatives, read = (n.view_as(own) for n, own in zip(parts, given, strict=False))
    tokens = batch.tokens._replace(items=read)
    renumbered = replace(batch, items=taken, negatives=negatives, tokens=tokens)
    return renumbered, AnsweringLE(model, items)


def _losses(model: LanguageEnvironment, batch: _Batch, config: LearningConfig) -> Losses:
    joined = len(model.catalogue.parts) > 1
    if config.state_loss == "catalogue" and not joined:
        le = AnsweringLE(model)
    else:
        all_of_them = joined and config.state_loss == "catalogue"
        batch, le = _narrowed(model, batch, _own_catalogue(model, batch) if all_of_them else None)
    states, taken, other = _answers(le, batch)
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


@torch.inference_mode()
def _set_normalisers(model: LanguageEnvironment, batches: _Batches, config: LearningConfig) -> None:
    """Mean and standard deviation of the raw reward over training pairs."""
    whole = _whole(model)
    model.eval()
    values = []
    for group in range(min(batches.per_epoch, 64)):
        batch = batches.batch(group, np.random.default_rng([config.seed, group]))
        batch, le = (batch, whole) if whole is not None else _narrowed(model, batch)
        _, taken, other = _answers(le, batch)
        values.append(torch.cat([taken[batch.real], other[batch.real]]))
    pooled = torch.cat(values)
    model.reward_mean.copy_(pooled.mean())
    model.reward_sd.copy_(pooled.std().clamp(min=1e-6))
