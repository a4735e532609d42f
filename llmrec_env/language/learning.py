"""Trains an LE on users' sequences, then its liking and when they leave, and calibrates it.

Where the log tells what was shown and not taken, most negatives of steps with such items are these;
see :mod:`llmrec_env.language.learning_losses`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from llmrec_env.common import processes
from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.files import fingerprint
from llmrec_env.common.nearest import EXACT_ITEMS
from llmrec_env.common.training import TrainingConfig, clear_checkpoint, train
from llmrec_env.data.catalogue import check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.repeats import masks_seen
from llmrec_env.data.sessions import sessions_of
from llmrec_env.data.splits import some_users
from llmrec_env.language.calibration import calibrate
from llmrec_env.language.item_parts import (
    forget_long_run,
    keep_what_helps,
    measure_long_run,
    measure_parts,
)
from llmrec_env.language.learning_batches import LONGEST, Batches
from llmrec_env.language.learning_config import LearningConfig
from llmrec_env.language.learning_losses import (
    batch_answers,
    batch_losses,
    narrowed,
    whole_catalogue,
)
from llmrec_env.language.leaving_learning import learn_leaving
from llmrec_env.language.liking_learning import LikingConfig, learn_liking
from llmrec_env.language.model import LanguageEnvironment
from llmrec_env.language.shared_taste import begin_shared
from llmrec_env.language.validation import validate

__all__ = ["LearningConfig", "Trial", "learn"]


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
    taken. Members are forgotten: they answer by what was read before. Several processes share the
    passes over the users, and end with the same LE.

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
    model.members = None
    config = _decided(config or LearningConfig(), model)
    if validation.n_users == 0:
        raise DataError("no validation users; early stopping and calibration need some held out")
    sessions_of(validation, config.sessions)  # refused before anything is learned
    log = some_users(train_log, config.share, config.seed)
    batches = Batches(log, model, config)
    checks = _checks(validation, config)
    masked = masks_seen(train_log, config.mask_seen)
    shared = None
    if config.begin_shared and len(model.catalogue.parts) == 1:
        shared = begin_shared(model.heads, log, checks, masked, config.seed)
    passes = -(-config.epochs * batches.per_epoch // processes.count())
    steps = max(config.min_steps, passes)
    folder = Path(checkpoint) / "learning" if checkpoint is not None else None
    model.backend.recompute(config.gradient_checkpointing)
    run = _name_of_run(model, log, config)
    _let_learn(model.heads.liking, False)  # it learns by itself, afterwards
    history = train(
        model,
        lambda number, rng: batch_losses(
            model, batches.batch(number, rng, config.read_skips), config
        ),
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

    def told() -> dict[str, float]:
        return validate(model, checks, 0, masked)

    both = next(row for row in history.rows if row["step"] == history.best_step)
    long_run = processes.on_main(lambda: measure_long_run(model, both, told))
    forget_long_run(model, long_run)
    if long_run is not None:
        both = long_run[long_run["kept"]]
    parts = processes.on_main(lambda: measure_parts(model, both, told))
    keep_what_helps(model, parts)

    def finish() -> tuple[float, float, dict[str, Any], dict[str, Any] | None]:
        _set_normalisers(model, batches, config)
        calibrate(model, validation, config.seed)
        leaving = learn_leaving(model, validation, config.seed, config.sessions)
        mean, sd = float(model.reward_mean), float(model.reward_sd)
        return mean, sd, model.record["acceptance"], leaving

    mean, sd, model.record["acceptance"], leaving = processes.on_main(finish)
    model.record.pop("leaving", None)  # of what it learned before
    if leaving is not None:
        model.record["leaving"] = leaving
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
        "long_run": long_run,
        "shared": shared,
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
        self._batches = Batches(log, model, config)
        self.tokens = self._batches.tokens
        steps = max(config.min_steps, config.epochs * self._batches.per_epoch)
        self.step_tokens = steps * sum(self.tokens) / len(self.tokens)
        self.step_tokens *= 1 + config.read_skips * (LONGEST - 1) / 2
        checks = Batches(_checks(validation, config), model, LearningConfig())
        # One more before learning; afterwards each part is measured by itself.
        readings = config.validations + 1 + 2 * (model.heads.id_correction is not None)
        readings += model.heads.long_run
        self.read_tokens = readings * sum(checks.tokens)

    @property
    def middle(self) -> int:
        """The number of a group of middling size."""
        return len(self.tokens) // 2

    def step(self, group: int) -> None:
        """The losses of a group and their gradient."""
        self._model.train()
        batch = self._batches.group(group, np.random.default_rng(0))
        torch.stack(list(batch_losses(self._model, batch, self._config).values())).sum().backward()
        self._model.zero_grad(set_to_none=True)

    @torch.inference_mode()
    def read(self, group: int) -> None:
        """The answers to a group, as a validation asks for them."""
        self._model.eval()
        batch = self._batches.group(group, np.random.default_rng(0))
        batch_losses(self._model, batch, self._config)


def _let_learn(module: torch.nn.Module | None, learns: bool) -> None:
    for parameter in () if module is None else module.parameters():
        parameter.requires_grad_(learns)


def _name_of_run(model: LanguageEnvironment, log: InteractionLog, config: LearningConfig) -> str:
    settings = json.dumps([asdict(config), asdict(model.config)], sort_keys=True)
    tokens = model.item_tokens.cpu().numpy().tobytes()
    return fingerprint([settings, log.items.tobytes(), log.offsets.tobytes(), tokens])


@torch.inference_mode()
def _set_normalisers(model: LanguageEnvironment, batches: Batches, config: LearningConfig) -> None:
    """Mean and standard deviation of the raw reward over training pairs."""
    whole = whole_catalogue(model)
    model.eval()
    values = []
    for group in range(min(batches.per_epoch, 64)):
        batch = batches.batch(group, np.random.default_rng([config.seed, group]))
        batch, le = (batch, whole) if whole is not None else narrowed(model, batch)
        _, taken, other = batch_answers(le, batch)
        values.append(torch.cat([taken[batch.real], other[batch.real]]))
    pooled = torch.cat(values)
    model.reward_mean.copy_(pooled.mean())
    model.reward_sd.copy_(pooled.std().clamp(min=1e-6))
