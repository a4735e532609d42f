"""``FitConfig``: all settings of fitting an LE."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from llmrec_env.common.errors import SettingError
from llmrec_env.common.settings_types import check_types
from llmrec_env.data.feedback_rules import NORMAL, FeedbackRule
from llmrec_env.language.item_tokens import ItemTokenConfig
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.liking_learning import LikingConfig
from llmrec_env.language.lm.small_model import SmallModelConfig
from llmrec_env.language.model import LanguageEnvironmentConfig

Items = Literal["auto", "text", "pooled", "shared", "random"]
"""What an item is known by."""
LARGE_LM = 50_000_000
"""Parameters from which on an LM's items are pooled words, where the settings leave it open."""


@dataclass(frozen=True)
class FitConfig:
    """All settings of :func:`fit_language_environment`."""

    model: LanguageEnvironmentConfig = field(default_factory=LanguageEnvironmentConfig)
    small_model: SmallModelConfig = field(default_factory=SmallModelConfig)
    item_tokens: ItemTokenConfig = field(default_factory=ItemTokenConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)
    liking: LikingConfig = field(default_factory=LikingConfig)
    feedback: Literal["auto", "rating", "liked", "weight", "event", "none"] = "auto"
    """Which column of the log tells how much things were liked. "auto" is the first of ratings,
    likes and play counts (``weight``) that the log has; kinds of events are read where they are
    asked for. With "none", or where there are none, every interaction counts alike, and liking is
    learned from what was taken."""
    feedback_rule: FeedbackRule | str | Callable[..., Any] = NORMAL
    """How the values of a user become likings: the name of a rule, or a rule that was registered
    (:mod:`llmrec_env.data.feedback_rules`); kept as a :class:`FeedbackRule`."""
    items: Items = "auto"
    """What the LM reads of an item: a token learned from its text, the mean of its words'
    embeddings, or, as controls that know no language, random numbers: with features that say what
    the items' users share ("shared"; of items without text the only ones), or random too. The LE
    learns a map from the items' features that is added to any of them. "auto" learns tokens where
    the LM is small (:data:`LARGE_LM`) and pools words where learning them would cost hours."""
    text_layer: int | None = None
    """Layer of the base model, from 1, whose mean outputs over an item's text are its features,
    where no item_encoder makes them. None is the last one."""
    item_encoder: str | None = None
    """Sentence encoder that makes the item features (hub name or folder, of any model that
    sentence-transformers loads); the base model itself where None."""

    language_model: bool = True
    """Whether the LM is asked at all. Without it, as a control, the LE is a bag of items: a mean of
    their features, and a logistic reward; no item tokens are learned for it. Without a base model
    either, none is pretrained: features are bags of the texts' words."""

    def __post_init__(self) -> None:
        check_types(self)
        object.__setattr__(self, "feedback_rule", FeedbackRule.of(self.feedback_rule))
        if self.items not in (kinds := get_args(Items)):
            raise SettingError(f"items must be one of {', '.join(kinds)}, got {self.items!r}")
        if not self.reads_texts and self.item_encoder is not None:
            raise SettingError(f"{self.items} items have no text that item_encoder could read")

    @property
    def reads_skips(self) -> bool:
        """Whether the LE learns what a skipped item in a history says."""
        return self.language_model and self.learning.read_skips > 0

    def scaled(self, budget: float) -> FitConfig:
        """These settings with every length times ``budget``, to try a fit quickly.

        The base model's pretraining, the item tokens' steps (none below a twelfth) and the passes
        over the users become shorter; what is learned is then a trial and no measurement.

        Raises:
            SettingError: the budget is not a positive number.
        """
        if not 0 < budget < math.inf:
            raise SettingError(f"budget must be a positive number, got {budget}")

        def steps(full: int, least: int = 1) -> int:
            return max(least, round(full * budget))

        small, learning = self.small_model, self.learning
        return replace(
            self,
            small_model=replace(
                small,
                min_steps=steps(small.min_steps, min(1, small.min_steps)),
                max_steps=steps(small.max_steps, min(1, small.max_steps)),
            ),
            item_tokens=replace(self.item_tokens, steps=steps(self.item_tokens.steps, least=0)),
            learning=replace(
                learning,
                epochs=steps(learning.epochs),
                min_steps=steps(learning.min_steps, min(1, learning.min_steps)),
            ),
            liking=replace(self.liking, steps=steps(self.liking.steps)),
        )

    @property
    def reads_texts(self) -> bool:
        """Whether the items' texts are read at all."""
        return self.items not in ("random", "shared")

    def kind_of_items(self, parameters: int) -> Items:
        """What the LM reads of an item, where it has so many parameters."""
        if not self.language_model and self.reads_texts:
            return "pooled"  # nothing reads tokens
        if self.items == "auto":
            return "text" if parameters < LARGE_LM else "pooled"
        return self.items
