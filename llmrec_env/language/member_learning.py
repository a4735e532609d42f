"""Learns members of a fitted LE: what they answer, on bootstrapped users, while nothing else moves.

What is read of a batch is read once, without a gradient, and all members learn from it: each gives
a step of a user the weight that the user has in its own draw, with replacement, of the users.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from llmrec_env.common.arrays import FloatArray
from llmrec_env.common.errors import DataError, LLMRecError, SettingError
from llmrec_env.common.files import fingerprint
from llmrec_env.common.settings_types import check_types
from llmrec_env.common.training import TrainingConfig, TrainingHistory, clear_checkpoint, train
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.splits import some_users
from llmrec_env.language.calibration import calibrate
from llmrec_env.language.learning_batches import Batch, Batches
from llmrec_env.language.learning_config import LearningConfig
from llmrec_env.language.learning_losses import narrowed, read_batch, whole_catalogue
from llmrec_env.language.liking_learning import LikingConfig
from llmrec_env.language.member_liking import learn_liking_members
from llmrec_env.language.members import Members, RewardMembers
from llmrec_env.language.model import LanguageEnvironment

PAIRS = 64
"""Batches from which the rewards' mean and spread are taken, at most."""


@dataclass(frozen=True)
class MembersConfig:
    """How the members of an LE learn.

    Raises:
        SettingError: a number is out of range.
    """

    count: int = 5
    """Members, K."""
    epochs: int = 8
    """Passes over the users at most."""
    min_steps: int = 300
    """Optimiser steps at least."""
    batch_size: int = 32
    """Stretches of sequences a step."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    prior: float = 1.0
    """How far apart members begin: the length of an item's random vector, beside 1, the length of
    the LE's own. 0: they differ by their users alone."""
    bootstrap: bool = True
    """Whether each member has a draw of the users of its own; else all learn from all."""
    popular_share: float = 0.5
    """Share of the negatives drawn by popularity, as in :class:`LearningConfig`."""
    validations: int = 12
    """Validations over the longest training."""
    patience: int = 3
    """Validations without progress before stopping."""
    validation_users: int = 500
    """Held-out users that a validation reads at most."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        for name, least in (("count", 2), ("epochs", 1), ("batch_size", 1), ("validations", 1)):
            if (value := getattr(self, name)) < least:
                raise SettingError(f"{name} must be at least {least}, got {value}")
        if not 0 <= self.prior <= 10:
            raise SettingError(f"prior must lie in [0, 10], got {self.prior}")
        if not 0 <= self.popular_share <= 1:
            raise SettingError(f"popular_share must lie in [0, 1], got {self.popular_share}")

    def scaled(self, budget: float) -> MembersConfig:
        """These settings with every length times ``budget``, to try it quickly."""
        epochs, min_steps = max(1, round(self.epochs * budget)), round(self.min_steps * budget)
        return replace(self, epochs=epochs, min_steps=min_steps)


def learn_members(
    model: LanguageEnvironment,
    train_log: InteractionLog,
    validation: InteractionLog,
    config: MembersConfig | None = None,
    checkpoint: str | Path | None = None,
    liking: LikingConfig | None = None,
) -> None:
    """Give a fitted LE members, learned on bootstrapped training users; its acceptance is that of
    their mean, calibrated anew on the validation users.

    Nothing else of it changes, so states and what it names stay what they are. A run that was
    killed goes on where ``checkpoint`` was named.

    Args:
        model: the LE.
        train_log: users from whom to learn, best those whom the LE learned from.
        validation: held-out users, by whom learning stops and acceptance is calibrated.
        config: how.
        checkpoint: folder of what a killed run goes on from.
        liking: how the members' liking learns, where the LE reads feedback.

    Raises:
        DataError: the logs are of another catalogue, or too small to learn from.
        LLMRecError: the LE has not learned, or ``checkpoint`` holds another run.
    """
    config, liking = config or MembersConfig(), liking or LikingConfig()
    if "acceptance" not in model.record:
        raise LLMRecError("members answer by what an LE reads: fit the LE first")
    check_same_catalogue(model.catalogue, train_log.catalogue, "the training log, for this LE")
    check_same_catalogue(model.catalogue, validation.catalogue, "the validation log, for this LE")
    if validation.n_users == 0:
        raise DataError("no validation users; early stopping and calibration need some held out")
    folder = None if checkpoint is None else Path(checkpoint)
    settings = json.dumps([asdict(config), asdict(liking)], sort_keys=True)
    run = fingerprint([settings, _name(model, train_log)])
    model.members = None
    model.eval()
    counts = user_counts(train_log.n_users, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        members = model.new_members(config.count, config.prior).to(model.device)
    history, told = _learn_reward(
        model, members, train_log, validation, config, counts, folder, run
    )
    record = {
        "curve": history.rows,
        "best_step": history.best_step,
        "config": asdict(config),
        **told,
    }
    if members.liking is not None:
        record["liking"] = learn_liking_members(
            model, members.liking, train_log, validation, counts, liking, folder, run
        ).rows
    model.members = members.requires_grad_(False).eval()
    calibrate(model, validation, config.seed)
    model.record["members"] = record
    for name in ("members", "liking-members") if folder is not None else ():
        clear_checkpoint(folder / name)  # type: ignore[operator]


def user_counts(n_users: int, config: MembersConfig) -> FloatArray:
    """How often each user is in the draw of each member, float32 (n_users, K)."""
    if not config.bootstrap:
        return np.ones((n_users, config.count), dtype=np.float32)
    draws = [np.random.default_rng([config.seed, k, 7]) for k in range(config.count)]
    counted = [np.bincount(rng.integers(n_users, size=n_users), minlength=n_users) for rng in draws]
    return np.stack(counted, axis=1).astype(np.float32)


class _Pairs(NamedTuple):
    """What was read of P steps: the item taken beside the negative, and whose step it is."""

    states: Tensor  # (P, D)
    hidden: Tensor  # (2, P, H)
    items: Tensor  # (2, P)
    users: Tensor  # (P,)

    def raw(self, members: RewardMembers, vectors: Tensor) -> Tensor:
        """Raw rewards (2, P, K) of what was taken and of the negatives.

        Args:
            members: whose.
            vectors: (n_items, D), where all items lie for the LE.
        """
        named, places = torch.unique(self.items, return_inverse=True)
        own = members.vectors(vectors[named], named)
        return members.raw(self.hidden, self.states.expand(2, -1, -1), own[places])


class _Reader:
    """Reads batches of a log with what an LE knows, which does not move."""

    def __init__(
        self, model: LanguageEnvironment, log: InteractionLog, config: MembersConfig
    ) -> None:
        self._model = model
        how = LearningConfig(
            popular_share=config.popular_share, batch_size=config.batch_size, seed=config.seed
        )
        self.batches = Batches(log, model, how)
        with torch.inference_mode():
            self._whole = whole_catalogue(model)
            self.vectors = model.tables().vectors.clone()

    @torch.no_grad()
    def pairs(self, batch: Batch) -> _Pairs:
        real = batch.real
        items = torch.stack([batch.items[:, 1:][real], batch.negatives[real]])
        renumbered, le = (
            (batch, self._whole) if self._whole is not None else narrowed(self._model, batch)
        )
        read = read_batch(le, renumbered)
        hidden = torch.stack([read.at_taken[real], read.at_negative[real]])
        users = torch.from_numpy(batch.users).to(real.device)[:, None].expand(real.shape)[real]
        scale = self._model.heads.output_scale
        return _Pairs(read.states[real], hidden * scale, items, users)


def _learn_reward(
    model: LanguageEnvironment,
    members: Members,
    train_log: InteractionLog,
    validation: InteractionLog,
    config: MembersConfig,
    counts: FloatArray,
    folder: Path | None,
    run: str,
) -> tuple[TrainingHistory, dict[str, float]]:
    """Learn the reward heads; the history, and what validation users say of them."""
    reward = members.reward.requires_grad_(True)
    reader = _Reader(model, train_log, config)
    weights = torch.from_numpy(counts).to(model.device)
    share = min(1.0, config.validation_users / validation.n_users)
    checks = _all_pairs(_Reader(model, some_users(validation, share, 0), config), config.seed)

    def loss(number: int, rng: np.random.Generator) -> dict[str, Tensor]:
        pairs = reader.pairs(reader.batches.batch(number, rng))
        taken, other = pairs.raw(reward, reader.vectors)
        errors = -torch.nn.functional.logsigmoid(taken - other) * weights[pairs.users]
        return {"reward": (errors.sum(0) / weights[pairs.users].sum(0).clamp(min=1)).sum()}

    def evaluate() -> dict[str, float]:
        return _told(reward, checks, reader.vectors)

    steps = max(config.min_steps, config.epochs * reader.batches.per_epoch)
    history = train(
        reward,
        loss,
        TrainingConfig(
            steps=steps,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            clip_norm=config.count**0.5,
            evaluate_every=max(1, -(-steps // config.validations)),
            patience=config.patience,
            seed=config.seed,
        ),
        evaluate=evaluate,
        metric="told",
        folder=None if folder is None else folder / "members",
        run=run,
        description="learn the members",
    )
    _set_normalisers(reward, reader, config.seed)
    return history, _told(reward, checks, reader.vectors)


def _all_pairs(reader: _Reader, seed: int) -> list[_Pairs]:
    numbers = range(reader.batches.per_epoch)
    return [
        reader.pairs(reader.batches.batch(n, np.random.default_rng([seed, n]))) for n in numbers
    ]


@torch.inference_mode()
def _told(reward: RewardMembers, checks: list[_Pairs], vectors: Tensor) -> dict[str, float]:
    """How well validation users' items are told from negatives, by each member and by the mean."""
    margins = torch.cat([torch.sub(*pairs.raw(reward, vectors)) for pairs in checks])
    return {
        "told": float(torch.nn.functional.logsigmoid(margins).mean()),
        "accuracy": float((margins.mean(1) > 0).float().mean()),
        "member_accuracy": float((margins > 0).float().mean()),
    }


@torch.inference_mode()
def _set_normalisers(reward: RewardMembers, reader: _Reader, seed: int) -> None:
    """Mean and standard deviation of each member's raw reward over training pairs."""
    values = []
    for n in range(min(PAIRS, reader.batches.per_epoch)):
        batch = reader.batches.batch(n, np.random.default_rng([seed, n, 3]))
        values += list(reader.pairs(batch).raw(reward, reader.vectors))
    pooled = torch.cat(values)
    reward.reward_mean.copy_(pooled.mean(0))
    reward.reward_sd.copy_(pooled.std(0).clamp(min=1e-6))


def _name(model: LanguageEnvironment, log: InteractionLog) -> str:
    """What tells this LE and these users from others."""
    weights = [p.detach().float().cpu().numpy().tobytes() for p in model.heads.parameters()]
    return fingerprint([log.items.tobytes(), log.offsets.tobytes(), *weights])
