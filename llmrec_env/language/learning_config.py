"""``LearningConfig``: how an LE learns from users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmrec_env.common.errors import DataError
from llmrec_env.common.settings_types import check_types
from llmrec_env.common.softmax import Precision
from llmrec_env.data.sessions import Wanted


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
    begin_shared: bool = True
    """Whether items' own vectors begin at what users share, in closed form
    (:mod:`llmrec_env.language.shared_taste`), instead of at zero; only where nothing was learned
    yet, and of a single catalogue."""
    sessions: Wanted = "auto"
    """What tells the sessions from which it is learned when users leave: a column of the log, the
    pauses between its times, the one that there is ("auto"), or nothing ("none")
    (:mod:`llmrec_env.data.sessions`)."""
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
