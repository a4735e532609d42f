"""``fit_language_environment``: trains an LE on a log, in three stages."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from llmrec_env.common import processes
from llmrec_env.common.device import check_device, check_dtype
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import fingerprint, is_missing_folder
from llmrec_env.common.settings_types import check_types
from llmrec_env.data.catalogue import Catalogue, check_same_catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.item_texts import texts_folder
from llmrec_env.language.item_tokens import (
    ItemTokenConfig,
    learn_item_tokens,
    pooled_tokens,
    read_features,
    semi_whiten,
)
from llmrec_env.language.item_words import ItemWords
from llmrec_env.language.learning import LearningConfig, learn
from llmrec_env.language.lm.backend import LMBackend
from llmrec_env.language.lm.decoder import word_embeddings
from llmrec_env.language.lm.null import NullLM
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.small_model import SmallModelConfig, small_base_model
from llmrec_env.language.lm.transformers_backend import TransformersBackend
from llmrec_env.language.model import LanguageEnvironment, LanguageEnvironmentConfig, check_window
from llmrec_env.language.sentence_encoder import sentence_features

LARGE_LM = 50_000_000
"""Parameters from which on an LM's items are pooled words, where the settings leave it open."""


@dataclass(frozen=True)
class FitConfig:
    """All settings of :func:`fit_language_environment`."""

    model: LanguageEnvironmentConfig = field(default_factory=LanguageEnvironmentConfig)
    small_model: SmallModelConfig = field(default_factory=SmallModelConfig)
    item_tokens: ItemTokenConfig = field(default_factory=ItemTokenConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)
    items: Literal["auto", "text", "pooled", "random"] = "auto"
    """What the LM reads of an item: a token learned from its text, the mean of its words'
    embeddings, or, as a control that knows no language, random numbers; the LE learns a map from
    the items' features that is added to any of them. "auto" learns tokens where the LM is small
    (:data:`LARGE_LM`) and pools words where learning them would cost hours."""
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
        if self.items not in (kinds := ("auto", "text", "pooled", "random")):
            raise SettingError(f"items must be one of {', '.join(kinds)}, got {self.items!r}")
        if self.items == "random" and self.item_encoder is not None:
            raise SettingError("random items have no text that item_encoder could read")

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
        )


def fit_language_environment(
    train_log: InteractionLog,
    validation: InteractionLog,
    base_model: str | os.PathLike[str] | None = None,
    config: FitConfig | None = None,
    *,
    users: InteractionLog | None = None,
    checkpoint: str | Path | None = None,
    allow_untexted: bool = False,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
) -> LanguageEnvironment:
    """Learn an LE from a log: base model, item tokens, then state and reward on users.

    Processes begun by ``accelerate launch`` learn on users together, each on its own GPU; the
    main one alone does the rest, and all get the same LE. One of them should save it.

    Args:
        train_log: the users to learn from.
        validation: users held out, for early stopping and for calibrating acceptance.
        base_model: hub name or folder of a causal LM; None pretrains a small one on the texts.
        config: settings of every stage.
        users: whose initial histories start episodes; the validation users where None.
        checkpoint: a folder in which a killed run is continued, by as many processes.
        allow_untexted: accept a catalogue without text, whose items get random tokens.
        device: where to learn; to several processes "cuda" means each one's own GPU.
        dtype: in which the frozen LM computes; "bfloat16", "auto" and so on work too.

    Returns:
        The LE with its best weights on validation; ``record`` holds metrics and curves.

    Raises:
        DataError: the catalogue has no text, or a log is too small to learn from.
        SettingError: the device or the encoder's folder is not there, several processes would have
            to share the device, or there is no such dtype.
        LLMRecError: the base model cannot serve, or ``checkpoint`` holds another run.
    """
    config = config or FitConfig()
    for log, what in ((validation, "the validation log"), (users, "users")):
        if log is not None:  # before minutes go into the items
            check_same_catalogue(train_log.catalogue, log.catalogue, what)
    model = untrained_language_environment(
        train_log,
        base_model,
        config,
        users=users if users is not None else validation,
        checkpoint=checkpoint,
        allow_untexted=allow_untexted,
        device=device,
        dtype=dtype,
    )
    learn(model, train_log, validation, config.learning, checkpoint)
    return model


def untrained_language_environment(
    log: InteractionLog,
    base_model: str | os.PathLike[str] | None = None,
    config: FitConfig | None = None,
    *,
    users: InteractionLog | None = None,
    checkpoint: str | Path | None = None,
    allow_untexted: bool = False,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
) -> LanguageEnvironment:
    """The residual LE before it has seen any user: what the texts alone say."""
    config = config or FitConfig()
    catalogue = log.catalogue
    if not catalogue.has_text and not (allow_untexted and base_model is not None):
        raise DataError(
            "the catalogue has no item text, which the LE learns from; bring an items table with "
            "titles or descriptions, or name a base model and set allow_untexted=True "
            "(--allow-untexted) to give items random tokens"
        )
    _check_encoder(config.item_encoder)  # before minutes go into the base model
    device = check_device(device)
    dtype = check_dtype(dtype, device)
    name = None if base_model is None else _lasting_name(base_model)
    is_bag = name is None and not config.language_model  # nobody would ask what was pretrained
    small = replace(config.small_model, min_steps=0, max_steps=0) if is_bag else config.small_model
    source = name or small_base_model(catalogue, small)
    base, tokenizer = load_base_model(source, dtype, config.model.layers)
    backend: LMBackend = TransformersBackend(base, tokenizer, name)
    check_window(config.model.window, backend)  # before minutes go into the item tokens
    backend.to(device)
    size = min(config.model.state_size, backend.hidden_size)
    config = replace(config, items=_kind_of_items(config, base))
    record: dict[str, Any] = {"fit_config": json.loads(json.dumps(asdict(config)))}
    reads_texts = catalogue.has_text and config.items != "random"
    if reads_texts:
        limit = config.item_tokens.max_tokens
        kept = _KeptTexts.of(catalogue, base, name, checkpoint, config.item_tokens)

        def read() -> tuple[Tensor, dict[str, float], Tensor]:
            losses: dict[str, float] = {}
            if config.items == "pooled":
                tokens = pooled_tokens(catalogue, base, tokenizer, limit).cpu()
            else:
                tokens, losses = learn_item_tokens(
                    catalogue, base, tokenizer, config.item_tokens, kept.tokens
                )
            if is_bag and config.item_encoder is None:
                return tokens, losses, semi_whiten(tokens, size)
            return tokens, losses, _features(catalogue, base, tokenizer, config, kept.outputs)

        tokens, losses, features = processes.on_main(read)
        if losses:
            record["item_tokens"] = {"steps": config.item_tokens.steps, **losses}
        words = ItemWords.of(catalogue, tokenizer, limit)
    else:
        tokens, features = _random_tokens(len(catalogue), base, size, config.model.seed)
        words = ItemWords.none(len(catalogue))
    if not config.language_model:
        backend = NullLM(backend.hidden_size)
    shape = config.model
    if shape.output_scale is None and (config.item_encoder is not None or not reads_texts):
        shape = replace(shape, output_scale=backend.hidden_size**-0.5)
    model = LanguageEnvironment(catalogue, backend, tokens, features, shape, words, users)
    model.record = record
    return model.to(device).eval()


def _kind_of_items(config: FitConfig, base: PreTrainedModel) -> Literal["text", "pooled", "random"]:
    if not config.language_model and config.items != "random":
        return "pooled"  # nothing reads tokens
    if config.items == "auto":
        return "text" if base.num_parameters() < LARGE_LM else "pooled"
    return config.items


class _KeptTexts(NamedTuple):
    """Where what is read and learned of the texts is kept, if anywhere."""

    outputs: Path | None
    tokens: Path | None

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        base: PreTrainedModel,
        name: str | None,
        checkpoint: str | Path | None,
        config: ItemTokenConfig,
    ) -> _KeptTexts:
        """In the cache where the model has a name, by which others read the same texts with it."""
        texts = texts_folder(catalogue, base)
        if name is not None:
            settings = fingerprint([json.dumps(asdict(config), sort_keys=True), str(base.dtype)])
            return cls(texts, texts / f"tokens-{settings}")
        if checkpoint is not None:
            return cls(Path(checkpoint) / "item_features" / texts.name, Path(checkpoint))
        return cls(None, None)


def _features(
    catalogue: Catalogue,
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: FitConfig,
    folder: Path | None,
) -> Tensor:
    """Item features as the settings ask for them."""
    size, limit = config.model.state_size, config.item_tokens.max_tokens
    if config.item_encoder is not None:
        return sentence_features(catalogue, config.item_encoder, size, base.device)
    return read_features(catalogue, base, tokenizer, size, limit, config.text_layer, folder)


def _check_encoder(name: str | None) -> None:
    if name is not None and is_missing_folder(name):
        raise SettingError(
            f"item_encoder {name!r}: no such folder; name one that sentence-transformers loads, or "
            "a model of the hub"
        )


def _lasting_name(base_model: str | os.PathLike[str]) -> str:
    """A hub name as it is, a path in full, so that a saved LE finds it from anywhere."""
    path = Path(base_model).expanduser()
    return str(path.resolve()) if path.exists() else str(base_model)


def _random_tokens(
    n_items: int, base: PreTrainedModel, size: int, seed: int
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    words = word_embeddings(base).cpu()
    tokens = torch.randn(n_items, words.shape[1], generator=generator) * float(words.std())
    features = torch.randn(n_items, size, generator=generator)
    return tokens, torch.nn.functional.normalize(features, dim=1)
