"""The LE as a study's simulator, and control LEs: less text, fewer users, or no LM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from llmrec_env.common.training import clear_checkpoint
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.experiments.study.simulators import Stopwatch, register_simulator
from llmrec_env.experiments.study.split_context import SplitContext
from llmrec_env.users.base import UserSimulator

if TYPE_CHECKING:
    from llmrec_env.language.fitting import FitConfig
    from llmrec_env.language.lm.small_model import SmallModelConfig


@dataclass(frozen=True)
class LanguageSpec:
    """How a simulator's LE differs from the study's.

    Attributes:
        items: what its LM reads of an item (:class:`FitConfig`).
        titles: whether it knows the items' titles alone.
        item_ids: whether each item also learns a vector of its own; None: as ``llmrec fit`` does.
        language_model: whether there is one.
        share: of the training users that it learns from; 0 leaves it as its texts make it.
        pretrained: whether the small base model has read the item texts.
    """

    items: Literal["auto", "text", "pooled", "random"] = "auto"
    titles: bool = False
    item_ids: bool | None = None
    language_model: bool = True
    share: float = 1.0
    pretrained: bool = True


TEXTS_READ = "texts/costs.json"
"""What reading the item texts cost; there when they are read."""
LANGUAGE_SIMULATORS = {
    "LE": LanguageSpec(),
    "LE 10%": LanguageSpec(share=0.1),
    "LE 30%": LanguageSpec(share=0.3),
    "LE of titles": LanguageSpec(titles=True),
    "LE pooled": LanguageSpec(items="pooled"),
    "LE unpretrained": LanguageSpec(items="pooled", pretrained=False),
    "LE without ids": LanguageSpec(item_ids=False),
    "LE without LM": LanguageSpec(items="pooled", language_model=False),
    "frozen text": LanguageSpec(items="pooled", item_ids=False, share=0.0),
    "text without LM": LanguageSpec(items="pooled", item_ids=False, language_model=False),
    "LE without text": LanguageSpec(items="random", item_ids=True),
    "bag of items": LanguageSpec(items="random", item_ids=True, language_model=False),
}
"""The LE and its controls. Without ids an item is its text alone, without an LM the reward is a
logistic function of a bag of items. The last two know no item's text: random item tokens, learned
ids."""


def _register(name: str, spec: LanguageSpec) -> None:
    @register_simulator(name)
    def make(context: SplitContext, folder: Path, watch: Stopwatch) -> UserSimulator:
        from llmrec_env.users.language import LanguageUser

        if not (folder / "config.json").exists():
            _learn(spec, context, folder, watch)
        return LanguageUser.from_pretrained(folder, device=context.settings.device)


for _name, _spec in LANGUAGE_SIMULATORS.items():
    _register(_name, _spec)


def _learn(spec: LanguageSpec, context: SplitContext, folder: Path, watch: Stopwatch) -> None:
    """Learn an LE of this spec from the split's training users and save it."""
    # Only here: these import transformers, which a run with a learned LE does without.
    from llmrec_env.language.calibration import calibrate
    from llmrec_env.language.fitting import untrained_language_environment
    from llmrec_env.language.learning import learn
    from llmrec_env.language.lm.small_model import small_base_model

    settings, split = context.settings, context.source.split
    train_log = _read_log(spec, context)
    base = settings.base_model if spec.pretrained else _unread_base_model(context)
    if base is None and not spec.language_model:
        # The control lacks the LM alone: its features are those that the LE's base model reads.
        base = str(small_base_model(train_log.catalogue, _small_model(context)))
    with watch.timing("reading texts"):
        model = untrained_language_environment(
            train_log,
            base,
            _fit_config(spec, context),
            checkpoint=_texts(spec, context),
            allow_untexted=settings.allow_untexted,
            device=settings.device,
        )
    if not spec.share:
        calibrate(model, split.validation, context.split)
    else:
        checkpoint = folder.with_name(f"{folder.name}.checkpoint")
        with watch.timing("learning"):
            config = _fit_config(spec, context).learning
            learn(model, train_log, split.validation, config, checkpoint)
        clear_checkpoint(checkpoint)
    model.save_pretrained(folder)


def _read_log(spec: LanguageSpec, context: SplitContext) -> InteractionLog:
    """The training users, with as much of the items' texts as this spec reads."""
    log = context.train
    if not spec.titles:
        return log
    table = log.catalogue.table
    return replace(log, catalogue=Catalogue(table.select(pl.col("item_id"), pl.col("^title$"))))


def _texts(spec: LanguageSpec, context: SplitContext) -> Path:
    """Where what was read of these texts is kept."""
    return context.texts / "titles" if spec.titles else context.texts


def _fit_config(spec: LanguageSpec, context: SplitContext) -> FitConfig:
    from llmrec_env.language.fitting import FitConfig
    from llmrec_env.language.item_tokens import ItemTokenConfig
    from llmrec_env.language.learning import LearningConfig
    from llmrec_env.language.model import LanguageEnvironmentConfig

    settings = context.settings
    return FitConfig(
        LanguageEnvironmentConfig(item_ids=spec.item_ids),
        _small_model(context),
        ItemTokenConfig(steps=settings.steps(6)),
        learning=LearningConfig(
            share=spec.share or 1.0,
            epochs=settings.steps(settings.le_epochs),
            min_steps=settings.steps(200),
            batch_size=128,  # with so many items most of a step is spent on them, not on users
            learning_rate=2e-3,
            mask_seen=context.mask_seen,
            seed=context.split,
        ),
        items=spec.items,
        item_encoder=None if spec.items == "random" else settings.item_encoder,
        language_model=spec.language_model,
    )


def _small_model(context: SplitContext) -> SmallModelConfig:
    from llmrec_env.language.lm.small_model import SmallModelConfig

    settings = context.settings
    return SmallModelConfig(min_steps=settings.steps(300), max_steps=settings.steps(600))


def _unread_base_model(context: SplitContext) -> Path:
    """The small base model as it is before it has read a text."""
    from llmrec_env.language.lm.small_model import small_base_model

    unread = replace(_small_model(context), min_steps=1, max_steps=1, learning_rate=0.0)
    return small_base_model(context.train.catalogue, unread)


def reads_texts(context: SplitContext) -> bool:
    """Whether :func:`read_texts` has something to do."""
    known = any(name in LANGUAGE_SIMULATORS for name in context.settings.simulators)
    return known and not context.study.has(TEXTS_READ)


def read_texts(context: SplitContext) -> None:
    """Read the item texts once for all splits, before several simulators would do so at once."""
    settings = context.settings
    specs = [
        LANGUAGE_SIMULATORS[name] for name in settings.simulators if name in LANGUAGE_SIMULATORS
    ]
    from llmrec_env.language.fitting import untrained_language_environment

    watch = Stopwatch()
    with watch.timing("reading texts"):
        for spec in dict.fromkeys(LanguageSpec(spec.items, spec.titles) for spec in specs):
            untrained_language_environment(
                _read_log(spec, context),
                settings.base_model,
                _fit_config(spec, context),
                checkpoint=_texts(spec, context),
                allow_untexted=settings.allow_untexted,
                device=settings.device,
            )
    context.study.write(TEXTS_READ, watch.seconds)


def seconds_of_texts(context: SplitContext) -> float | None:
    """CPU seconds of the last try of :func:`read_texts`, a base model's pretraining included."""
    study = context.study
    return float(study.read(TEXTS_READ)["reading texts"]) if study.has(TEXTS_READ) else None
