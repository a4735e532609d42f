"""The settings of a sensitivity study: what is varied, over which values, on which log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from llmrec_env.common.errors import SettingError
from llmrec_env.data.read_options import ReadOptions
from llmrec_env.data.source import WORLD_SIZE
from llmrec_env.experiments.sensitivity.sweeps import SWEEPS, SWEPT, Sweep, Value, find_sweeps
from llmrec_env.experiments.settings import RunSettings
from llmrec_env.experiments.study.methods import PLAIN
from llmrec_env.experiments.study.settings import StudySettings

PARTS = (*SWEPT, "cold", "map")
Projection = Literal["auto", "pca", "tsne"]
PROJECTIONS = ("auto", "pca", "tsne")


@dataclass(frozen=True)
class SensitivitySettings(ReadOptions, RunSettings):
    """Which settings are moved, on which log.

    Raises:
        SettingError: a part or backbone is unknown, or a number out of range.
    """

    KIND = "bench sensitivity"
    GROWING = ("data", "backbone", "parts", "values", "seeds", "split", "projection")
    NAMED = ("backbone",)

    data: str | None = None
    """Folder or file of a dataset; None takes the generated world."""
    backbone: str = "sasrec"
    """Sequence encoder."""
    parts: tuple[str, ...] = PARTS
    """The sections: curves over "weight", "k", "share" and "balance", "cold" items, the "map"."""
    values: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """Other values for the curves, by part."""
    split: int = 0
    """Seed of the split by user."""
    seeds: int = 3
    """Training seeds 0, 1, … of every point."""
    epochs: int = 20
    """Passes over the log at most."""
    patience: int = 3
    """Passes without a better validation before a training stops; 0 never stops one early."""
    base_model: str | None = None
    """Causal LM of the LE, by hub name or folder; None pretrains a small one on the item texts."""
    item_encoder: str | None = None
    """Sentence encoder that reads the items for the LE, by name or folder; None: its LM does."""
    allow_untexted: bool = False
    """Whether LEs are learned from items without text, which then get random tokens."""
    le_epochs: int = 6
    """Passes over the log of the LE at most."""
    mask_seen: bool | None = None
    """Whether validation and tables leave out what a user has seen; None: where repeats are rarer
    than 1% of the log's interactions."""
    budget: float = 1.0
    """Scales all training lengths; 0.01 only shows that everything runs."""
    projection: Projection = "auto"
    """How states come into the plane: "pca", "tsne", or t-SNE where scikit-learn is ("auto")."""
    world_size: tuple[int, int] = WORLD_SIZE
    """Items and users of the generated world."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_parts("parts", self.parts, PARTS)
        _check_parts("values", tuple(self.values), SWEPT, least=0)
        for part, values in self.values.items():
            if not values:
                raise SettingError(f"values of {part!r} are empty; give one at least")
        if self.split < 0:
            raise SettingError(f"split must be 0 or more, got {self.split}")
        if self.projection not in PROJECTIONS:
            raise SettingError(
                f"projection must be one of {', '.join(PROJECTIONS)}, got {self.projection!r}"
            )
        find_sweeps(SWEPT, self.values)
        _ = self.study  # refuses what no study takes

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """The curves that are asked for."""
        return find_sweeps(self.parts, self.values)

    @property
    def study(self) -> StudySettings:
        """The study whose simulators and methods these are."""
        methods = [PLAIN, "soft targets", *(sweep.method for sweep in SWEEPS)]
        return StudySettings(
            data=self.data,
            backbones=(self.backbone,),
            methods=tuple(dict.fromkeys(methods)),
            seeds=self.seeds,
            splits=self.split + 1,
            trials=0,
            epochs=self.epochs,
            patience=self.patience,
            base_model=self.base_model,
            item_encoder=self.item_encoder,
            le_epochs=self.le_epochs,
            mask_seen=self.mask_seen,
            budget=self.budget,
            allow_untexted=self.allow_untexted,
            world_size=self.world_size,
            **asdict(self.reading),
        )


def parse_values(texts: Sequence[str]) -> dict[str, tuple[Value, ...]]:
    """Values by part from texts such as ``weight=0.1,0.5,2``.

    Raises:
        SettingError: a text has another form.
    """
    found: dict[str, tuple[Value, ...]] = {}
    for text in texts:
        part, _, values = text.partition("=")
        try:
            numbers = tuple(float(value) for value in values.split(","))
            if not all(map(math.isfinite, numbers)):
                raise ValueError
            found[part.strip()] = numbers
        except ValueError:
            raise SettingError(
                f"values must look like weight=0.1,0.5,2 (a part, then numbers); got {text!r}"
            ) from None
    return found


def _check_parts(what: str, names: Sequence[str], known: Sequence[str], least: int = 1) -> None:
    for name in names:
        if name not in known:
            raise SettingError(
                f"{what}: no part is named {name!r}; there are {', '.join(known)}, joined by commas"
            )
    if len(names) < least:
        raise SettingError(f"{what} is empty; name one at least of {', '.join(known)}")
