"""The LE as a companion, and its controls: what it reads, on how many users, with how much LM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.training import clear_checkpoint
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.experiments.study.simulators import Stopwatch, companion
from llmrec_env.experiments.study.split_context import Place
from llmrec_env.users.base import UserSimulator

if TYPE_CHECKING:
    from llmrec_env.language.fitting import FitConfig
    from llmrec_env.language.lm.base_models import SmallModelConfig


@dataclass(frozen=True)
class LanguageKind:
    """How a companion's LE differs from the study's.

    Attributes:
        items: what its LM reads of an item (:class:`FitConfig`).
        titles: whether it knows the items' titles alone.
        item_ids: whether each item also learns a vector of its own.
        language_model: whether there is one.
        share: of the training users that it learns from; 0 leaves it as its texts make it.
        pretrained: whether the small base model has read the item texts.
    """

    items: Literal["text", "pooled", "random"] = "text"
    titles: bool = False
    item_ids: bool = False
    language_model: bool = True
    share: float = 1.0
    pretrained: bool = True


COSTS = "costs.json"
KINDS = {
    "LE": LanguageKind(),
    "LE 10%": LanguageKind(share=0.1),
    "LE 30%": LanguageKind(share=0.3),
    "LE of titles": LanguageKind(titles=True),
    "LE pooled": LanguageKind(items="pooled"),
    "LE unpretrained": LanguageKind(items="pooled", pretrained=False),
    "LE with ids": LanguageKind(item_ids=True),
    "frozen text": LanguageKind(items="pooled", share=0.0),
    "text without LM": LanguageKind(items="pooled", language_model=False),
    "LE without text": LanguageKind(items="random", item_ids=True),
    "bag of items": LanguageKind(items="random", item_ids=True, language_model=False),
}
"""The LE and its controls. The last two know no item's text: random item tokens, learned ids. The
last has no LM either, so that its reward is a logistic function of a bag of items."""


def _register(name: str, kind: LanguageKind) -> None:
    @companion(name)
    def make(place: Place, folder: Path, watch: Stopwatch) -> UserSimulator:
        from llmrec_env.users.language import LanguageUser

        if not (folder / "config.json").exists():
            _learn(kind, place, folder, watch)
        return LanguageUser.from_pretrained(folder, device=place.settings.device)


for _name, _kind in KINDS.items():
    _register(_name, _kind)


def _learn(kind: LanguageKind, place: Place, folder: Path, watch: Stopwatch) -> None:
    """Learn an LE of this kind from the split's training users and save it."""
    # Only here: these import transformers, which a run with a learned LE does without.
    from llmrec_env.language.calibration import calibrate
    from llmrec_env.language.fitting import untrained_language_environment
    from llmrec_env.language.learning import learn

    settings, split = place.settings, place.source.split
    train_log = _read_log(kind, place)
    base = settings.base_model if kind.pretrained else _unread_base_model(place)
    with watch.timing("reading texts"):
        model = untrained_language_environment(
            train_log,
            base,
            _fit_config(kind, place),
            checkpoint=_texts(kind, place),
            device=settings.device,
        )
    if not kind.share:
        calibrate(model, split.validation, place.split)
    else:
        checkpoint = folder.with_name(f"{folder.name}.checkpoint")
        with watch.timing("learning"):
            config = _fit_config(kind, place).learning
            learn(model, train_log, split.validation, config, checkpoint)
        clear_checkpoint(checkpoint)
    model.save_pretrained(folder)


def _read_log(kind: LanguageKind, place: Place) -> InteractionLog:
    """The training users, with as much of the items' texts as this kind reads."""
    log = place.source.split.train
    if not kind.titles:
        return log
    table = log.catalogue.table
    return replace(log, catalogue=Catalogue(table.select(pl.col("item_id"), pl.col("^title$"))))


def _texts(kind: LanguageKind, place: Place) -> Path:
    """Where what was read of these texts is kept."""
    return place.texts / "titles" if kind.titles else place.texts


def _fit_config(kind: LanguageKind, place: Place) -> FitConfig:
    from llmrec_env.language.fitting import FitConfig
    from llmrec_env.language.learning import LearningConfig
    from llmrec_env.language.model import LanguageEnvironmentConfig

    settings = place.settings
    return FitConfig(
        LanguageEnvironmentConfig(item_ids=kind.item_ids),
        _small_model(place),
        learning=LearningConfig(
            share=kind.share or 1.0,
            epochs=settings.steps(settings.le_epochs),
            min_steps=settings.steps(200),
            batch_size=128,  # with so many items most of a step is spent on them, not on users
            learning_rate=2e-3,
            seed=place.split,
        ),
        items=kind.items,
        item_encoder=None if kind.items == "random" else settings.item_encoder,
        language_model=kind.language_model,
    )


def _small_model(place: Place) -> SmallModelConfig:
    from llmrec_env.language.lm.base_models import SmallModelConfig

    settings = place.settings
    return SmallModelConfig(min_steps=settings.steps(300), max_steps=settings.steps(600))


def _unread_base_model(place: Place) -> Path:
    """The small base model as it is before it has read a text."""
    from llmrec_env.language.lm.base_models import small_base_model

    unread = replace(_small_model(place), min_steps=1, max_steps=1, learning_rate=0.0)
    return small_base_model(place.source.split.train.catalogue, unread)


def reads_texts(place: Place) -> bool:
    """Whether :func:`read_texts` has something to do."""
    known = any(name in KINDS for name in place.settings.companions)
    return known and not (place.texts / COSTS).exists()


def read_texts(place: Place) -> None:
    """Read the item texts once for all splits, before several companions would do so at once."""
    settings = place.settings
    kinds = [KINDS[name] for name in settings.companions if name in KINDS]
    from llmrec_env.language.fitting import untrained_language_environment

    watch = Stopwatch()
    with watch.timing("reading texts"):
        for kind in dict.fromkeys(LanguageKind(kind.items, kind.titles) for kind in kinds):
            untrained_language_environment(
                _read_log(kind, place),
                settings.base_model,
                _fit_config(kind, place),
                checkpoint=_texts(kind, place),
                device=settings.device,
            )
    write_json(place.texts / COSTS, watch.seconds)


def seconds_of_texts(place: Place) -> float | None:
    """CPU seconds of the last try of :func:`read_texts`, a base model's pretraining included."""
    path = place.texts / COSTS
    return float(read_json(path)["reading texts"]) if path.exists() else None
