"""``fit_language_environment``: trains an LE on a log, in three stages."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

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
from llmrec_env.language.item_tokens import (
    ItemTokenConfig,
    find_tensors,
    keep_tensors,
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


@dataclass(frozen=True)
class FitConfig:
    """All settings of :func:`fit_language_environment`."""

    model: LanguageEnvironmentConfig = field(default_factory=LanguageEnvironmentConfig)
    small_model: SmallModelConfig = field(default_factory=SmallModelConfig)
    item_tokens: ItemTokenConfig = field(default_factory=ItemTokenConfig)
    learning: LearningConfig = field(default_factory=LearningConfig)
    items: Literal["text", "pooled", "random"] = "text"
    """What the LM reads of an item: a token learned from its text, the mean of its words'
    embeddings, or, as a control that knows no language, random numbers."""
    item_encoder: str | None = None
    """Sentence encoder that makes the item features (hub name or folder, of any model that
    sentence-transformers loads); the base model itself where None."""

    language_model: bool = True
    """Whether the LM is asked at all. Without it, as a control, the LE is a bag of items: a mean of
    their features, and a logistic reward; no item tokens are learned for it. Without a base model
    either, none is pretrained: features are bags of the texts' words."""

    def __post_init__(self) -> None:
        check_types(self)
        if self.items not in (kinds := ("text", "pooled", "random")):
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
    record: dict[str, Any] = {"fit_config": json.loads(json.dumps(asdict(config)))}
    reads_texts = catalogue.has_text and config.items != "random"
    if reads_texts:
        limit = config.item_tokens.max_tokens

        def read() -> tuple[Tensor, dict[str, float] | None, Tensor]:
            if config.items == "pooled" or not config.language_model:  # tokens are the LM's words
                tokens, losses = pooled_tokens(catalogue, base, tokenizer, limit).cpu(), None
            else:
                tokens, losses = learn_item_tokens(
                    catalogue, base, tokenizer, config.item_tokens, checkpoint
                )
            if is_bag and config.item_encoder is None:
                return tokens, losses, semi_whiten(tokens, size)
            return tokens, losses, _features(catalogue, base, tokenizer, config, checkpoint)

        tokens, losses, features = processes.on_main(read)
        if losses:
            record["item_tokens"] = losses
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


def _features(
    catalogue: Catalogue,
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    config: FitConfig,
    checkpoint: str | Path | None,
) -> Tensor:
    """Item features as the settings ask for them, kept beside the item tokens."""
    encoder, limit = config.item_encoder, config.item_tokens.max_tokens
    width = config.model.state_size
    backend = word_embeddings(base).cpu().numpy().tobytes() if encoder is None else str(encoder)
    run = fingerprint([*catalogue.sentences, backend, str(width), str(limit)])
    path = None if checkpoint is None else Path(checkpoint) / "item_features" / run
    found = None if path is None else find_tensors(path, run)
    if found is None:
        if encoder is None:
            size = min(width, word_embeddings(base).shape[1])
            features = read_features(catalogue, base, tokenizer, size, limit)
        else:
            features = sentence_features(catalogue, encoder, width, base.device)
        found = {"features": features.contiguous()}
        if path is not None:
            keep_tensors(path, run, found)
    return found["features"]


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
