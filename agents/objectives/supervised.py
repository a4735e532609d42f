"""Next-item prediction, the loss of a plain backbone; all published frameworks add to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from agents.objectives.base import Batch, LossTerm, Outputs
from agents.objectives.framework import ObjectiveConfig
from agents.settings import check_share
from llmrec_env.common.settings_types import check_types


@dataclass(frozen=True)
class NextItem(LossTerm):
    """``L_s = -log softmax(f(s))[a+]`` over the whole catalogue.

    Attributes:
        smoothing: probability mass of the target that is spread evenly over all items.
    """

    smoothing: float = 0.0
    name = "supervised"

    def __call__(self, outputs: Outputs, batch: Batch) -> Tensor:
        return self.losses(outputs, batch).mean()

    def losses(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``L_s`` of each logged action, float32 (P,)."""
        own = outputs.log_probabilities(batch.actions[:, None])[:, 0]
        if not self.smoothing:
            return -own
        return -(1 - self.smoothing) * own - self.smoothing * outputs.mean_log_probability


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(ObjectiveConfig):
    """Next-item prediction alone: ``L_s`` (as in SASRec, arXiv 1808.09781).

    Raises:
        SettingError: a value is out of range.
    """

    name: ClassVar[str] = "supervised"

    label_smoothing: float = 0.0
    """Probability mass of the target that is spread over all items, in [0, 1]."""

    def __post_init__(self) -> None:
        check_types(self)
        check_share(self, "label_smoothing")

    def terms(self) -> list[LossTerm]:
        """``L_s``."""
        return [self.actor()]

    def actor(self) -> NextItem:
        """The term of the supervised head."""
        return NextItem(self.label_smoothing)
