"""``RecommenderConfig``: all settings of a recommender (backbone, objective, LEA, training).

The parts stand beside the code that they configure: :mod:`agents.backbones`,
:mod:`agents.objectives` and, for LEA's switches, :mod:`agents.objectives.lea`. No setting has the
same name in two parts, so all can be given as flat keywords, and each reaches the part that has
it::

    RecommenderConfig(SASRecConfig(dim=32), SNQNConfig(gamma=0.9), LanguageConfig(state=True))
    RecommenderConfig.of("sasrec", "snqn", dim=32, gamma=0.9, state=True)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal

from agents.backbones import BACKBONES, DEFAULT_BACKBONE, BackboneConfig
from agents.network import Network
from agents.objectives import (
    DEFAULT_OBJECTIVE,
    FRAMEWORKS,
    LanguageConfig,
    LossTerm,
    ObjectiveConfig,
)
from agents.objectives.lea import LANGUAGE
from agents.settings import check_choice, check_positive, settings_of
from llmrec_env.common.errors import SettingError
from llmrec_env.common.settings_types import check_types
from llmrec_env.common.softmax import Precision

ItemInit = Literal["random", "text"]
PARTS = ("backbone", "objective", "language", "training")


@dataclass(frozen=True, kw_only=True)
class RecommenderTraining:
    """How long, how fast and where a recommender learns, whatever it is.

    Raises:
        SettingError: a value is out of range.
    """

    learning_rate: float = 3e-3
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.4
    """Decoupled weight decay of AdamW."""
    epochs: int = 20
    """Passes over the log, at most; each of two copies that learn gets as many."""
    patience: int = 3
    """Passes without a better validation NDCG@10 before stopping; 0 never stops early."""
    batch_size: int = 512
    """Logged steps in a batch, about; whole windows are drawn."""
    validation_users: int = 1000
    """Validation users ranked after a pass, at most (a seeded choice)."""
    mask_seen: bool | None = None
    """Whether validation leaves out what a user has seen. None: where repeats are rarer than 1% of
    the training log (:func:`llmrec_env.data.repeats.masks_seen`); the recommender's ``history``
    says what came of it."""
    seed: int = 0
    """Seed of initial weights, batches, negatives, coins and dropout."""
    precision: Precision = "auto"
    """Number format of products over the whole catalogue in learning: "float32", "bfloat16" (twice
    as fast where the machine has instructions for it), or "auto", which picks by that. Serving is
    in float32."""
    device: str = "cpu"
    """Torch device that learns and serves."""

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, "learning_rate", "epochs", "batch_size", "validation_users")
        check_choice(self, "precision", Precision)


@dataclass(frozen=True, init=False)
class RecommenderConfig:
    """What a recommender is and how it learns.

    Args:
        backbone: the sequence encoder; a name takes its defaults.
        objective: the framework on the logged actions; a name takes its defaults.
        language: what a simulated user adds; None: nothing.
        training: how it learns; None: the defaults.
        item_init: what item embeddings begin as: "random", or the vectors that ``fit`` is given
            ("text").
        tied: whether the output table of the supervised head is the item embedding.

    Raises:
        SettingError: a name is unknown, two parts contradict each other or share the name of a
            setting, or a value is out of range.
    """

    backbone: BackboneConfig
    objective: ObjectiveConfig
    language: LanguageConfig
    training: RecommenderTraining
    item_init: ItemInit
    tied: bool

    def __init__(
        self,
        backbone: BackboneConfig | str = DEFAULT_BACKBONE,
        objective: ObjectiveConfig | str = DEFAULT_OBJECTIVE,
        language: LanguageConfig | None = None,
        training: RecommenderTraining | None = None,
        item_init: ItemInit = "random",
        tied: bool = False,
    ) -> None:
        values = {
            "backbone": BACKBONES.make(backbone),
            "objective": FRAMEWORKS.make(objective),
            "language": language or LanguageConfig(),
            "training": training or RecommenderTraining(),
            "item_init": item_init,
            "tied": tied,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        check_choice(self, "item_init", ItemInit)
        if not isinstance(tied, bool):
            raise SettingError(f"tied must be True or False, got {tied!r}")
        names = [*values, *(key for part in PARTS for key in settings_of(values[part]))]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise SettingError(
                f"two parts have a setting {twice[0]!r}: {self.backbone!r}, {self.objective!r}; "
                "rename that of your own"
            )
        self.language.check(self.objective)

    @classmethod
    def of(
        cls,
        backbone: BackboneConfig | str = DEFAULT_BACKBONE,
        objective: ObjectiveConfig | str = DEFAULT_OBJECTIVE,
        **settings: Any,
    ) -> RecommenderConfig:
        """A config from flat keywords, each of which reaches the part that has it.

        Args:
            backbone: the sequence encoder.
            objective: the framework on the logged actions.
            settings: fields of their configs, of :class:`LanguageConfig`, of
                :class:`RecommenderTraining` and of this class.

        Raises:
            SettingError: a keyword is no setting of these, or a value is refused.
        """
        return cls(backbone, objective).with_settings(**settings)

    def with_settings(self, **changes: Any) -> RecommenderConfig:
        """This config with other values; a backbone or objective named anew has its defaults.

        Args:
            changes: flat keywords as in :meth:`of`, and whole parts.

        Raises:
            SettingError: a keyword is no setting of this config, or a value is refused.
        """
        parts = {f.name: changes.pop(f.name, getattr(self, f.name)) for f in fields(self)}
        for registry in (BACKBONES, FRAMEWORKS):
            parts[registry.kind] = registry.make(parts[registry.kind])
        for name in PARTS:
            own = {key: changes.pop(key) for key in settings_of(parts[name]) if key in changes}
            parts[name] = replace(parts[name], **own)
        if changes:
            raise SettingError(_refusal(min(changes), parts))
        return RecommenderConfig(**parts)

    @property
    def settings(self) -> dict[str, Any]:
        """All settings flat, by name, and the names of backbone and objective.

        ``RecommenderConfig.of(**config.settings)`` is the same config.
        """
        flat = {"backbone": self.backbone.name, "objective": self.objective.name}
        for name in PARTS:
            flat |= settings_of(getattr(self, name))
        return flat | {"item_init": self.item_init, "tied": self.tied}

    @property
    def reads_vectors(self) -> bool:
        """Whether ``fit`` has to be given vectors of the items."""
        return self.item_init == "text" or self.objective.reads_vectors

    @property
    def needs_simulator(self) -> bool:
        """Whether learning asks a simulated user."""
        return self.language.needs_simulator

    def terms(self) -> list[LossTerm]:
        """The terms of the loss: the framework's, then those of LEA's switches."""
        return [*self.objective.terms(), *self.language.terms(self.objective)]

    def create(self, n_items: int, state_size: int = 0) -> Network:
        """A network with fresh weights.

        Args:
            n_items: size of the catalogue.
            state_size: length of the simulator's state; 0 where nothing reads it.
        """
        encoder = self.backbone.create(n_items)
        declared = self.objective.heads.items()
        heads = {name: n_items if size is None else size for name, size in declared}
        if self.language.state_reader == "distilled":
            heads[LANGUAGE] = state_size
        return Network(
            encoder,
            state_size,
            self.objective.q_weights,
            heads,
            self.language.state_reader,
            self.tied,
            self.training.precision,
        )


def _refusal(name: str, parts: Mapping[str, Any]) -> str:
    """Why a keyword is refused: who else has such a setting, or what it may have meant."""
    owners = [
        f"{registry.kind}={member!r}"
        for registry in (BACKBONES, FRAMEWORKS)
        for member, config in registry.items()
        if name in {field.name for field in fields(config)}
    ]
    if owners:
        return (
            f"{name} is a setting of {', '.join(owners)}; this recommender has "
            f"backbone={parts['backbone'].name!r} and objective={parts['objective'].name!r}: leave "
            "it out, or choose another"
        )
    known = sorted({*parts, *(key for part in PARTS for key in settings_of(parts[part]))})
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"no setting is named {name!r}{hint}; there are {', '.join(known)}"
