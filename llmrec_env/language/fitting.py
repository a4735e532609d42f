"""``fit_language_environment``: trains an LE on a log, in three stages."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from llmrec_env.common import processes
from llmrec_env.common.device import check_device, check_dtype
from llmrec_env.common.errors import DataError, SettingError
from llmrec_env.common.files import is_missing_folder
from llmrec_env.common.nearest import EXACT_ITEMS
from llmrec_env.data.catalogue import Catalogue, check_same_catalogue
from llmrec_env.data.feedback import FeedbackScale
from llmrec_env.data.feedback_rules import FeedbackRule
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.sessions import sessions_of
from llmrec_env.language.estimate import FitEstimate, estimate
from llmrec_env.language.fit_config import LARGE_LM, FitConfig
from llmrec_env.language.item_texts import KeptTexts, mean_outputs
from llmrec_env.language.item_tokens import learn_item_tokens, pooled_tokens
from llmrec_env.language.item_words import ItemWords, Vocabulary
from llmrec_env.language.learning import learn
from llmrec_env.language.liking_users import too_little, users_with_feedback
from llmrec_env.language.lm.backend import LMBackend
from llmrec_env.language.lm.decoder import word_embeddings
from llmrec_env.language.lm.null import NullLM
from llmrec_env.language.lm.pretrained import load_base_model
from llmrec_env.language.lm.small_model import small_base_model, small_base_model_of
from llmrec_env.language.lm.tokenization import token_rows
from llmrec_env.language.lm.transformers_backend import TransformersBackend
from llmrec_env.language.model import LanguageEnvironment, LanguageEnvironmentConfig, check_window
from llmrec_env.language.projection import Projection
from llmrec_env.language.sentence_encoder import load_encoder, sentence_outputs
from llmrec_env.language.shared_features import shared_features
from llmrec_env.language.text_space import Reading, TextSpace, tokenizer_files

__all__ = [
    "FitConfig",
    "FitEstimate",
    "estimate_fit",
    "fit_language_environment",
    "untrained_language_environment",
]


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
    confirm: Callable[[FitEstimate], None] | None = None,
) -> LanguageEnvironment:
    """Learn an LE from a log: base model, item tokens, then state and reward on users.

    Processes begun by ``accelerate launch`` learn on users together, each on its own GPU; the
    main one alone does the rest, and all get the same LE. One of them should save it.

    Args:
        train_log: the users to learn from.
        validation: users held out, for early stopping and for calibrating acceptance.
        base_model: a causal LM, by hub name, folder or GGUF file; None pretrains a small one on the
            texts.
        config: settings of every stage.
        users: whose initial histories start episodes; the validation users where None.
        checkpoint: a folder in which a killed run is continued, by as many processes.
        allow_untexted: accept a catalogue without text, whose items get random tokens.
        device: where to learn; to several processes "cuda" means each one's own GPU.
        dtype: in which the frozen LM computes; "bfloat16", "auto" and so on work too.
        confirm: is told what the fit will take before it begins, if the base model has
            :data:`LARGE_LM` parameters or more, and may raise an error to stop it.

    Returns:
        The LE with its best weights on validation; ``record`` holds metrics and curves.

    Raises:
        DataError: the catalogue has no text, a log is too small to learn from, or the validation
            log does not have what is to tell sessions.
        SettingError: the device or the encoder's folder is not there, several processes would have
            to share the device, or there is no such dtype.
        LLMRecError: the base model cannot serve, or ``checkpoint`` holds another run.
    """
    config = config or FitConfig()
    for log, what in ((validation, "the validation log"), (users, "users")):
        if log is not None:  # before minutes go into the items
            check_same_catalogue(train_log.catalogue, log.catalogue, what)
    sessions_of(validation, config.learning.sessions)  # refused here where they are not told
    model = untrained_language_environment(
        train_log,
        base_model,
        config,
        users=users if users is not None else validation,
        checkpoint=checkpoint,
        allow_untexted=allow_untexted,
        device=device,
        dtype=dtype,
        before=None if confirm is None else lambda base: confirm(base.estimate(validation)),
    )
    learn(model, train_log, validation, config.learning, checkpoint, config.liking)
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
    before: Callable[[ReadyBase], None] | None = None,
) -> LanguageEnvironment:
    """The residual LE before it has seen any user: what the texts alone say.

    ``before`` is called, in the main process, with a large base model before anything is read.
    """
    ready = _ready(
        log, base_model, config or FitConfig(), checkpoint, allow_untexted, device, dtype
    )
    if before is not None and ready.is_large:
        processes.on_main(lambda: before(ready))
    return _read(ready, users)


def estimate_fit(
    train_log: InteractionLog,
    validation: InteractionLog,
    base_model: str | os.PathLike[str] | None = None,
    config: FitConfig | None = None,
    *,
    allow_untexted: bool = False,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype = torch.float32,
) -> FitEstimate:
    """What :func:`fit_language_environment` will take, from single steps that are timed here.

    Raises:
        DataError: as the fit would.
        SettingError: as the fit would.
        LLMRecError: the base model cannot serve.
    """
    ready = _ready(
        train_log, base_model, config or FitConfig(), None, allow_untexted, device, dtype
    )
    return ready.estimate(validation)


@dataclass(frozen=True, eq=False)
class ReadyBase:
    """A base model on its device, and what it is to read and learn from.

    Attributes:
        log: the users to learn from.
        backend: the base model, without an adapter.
        config: what the LM reads of an item is decided in it.
        kept: where what is read of the texts is kept.
        is_bag: whether nobody asks the LM, and nobody named it.
    """

    log: InteractionLog
    backend: TransformersBackend
    config: FitConfig
    kept: KeptTexts
    is_bag: bool

    @property
    def is_large(self) -> bool:
        """Whether its fit may take long enough to be told beforehand."""
        return self.backend.base_model.num_parameters() >= LARGE_LM

    def estimate(self, validation: InteractionLog) -> FitEstimate:
        """What the fit will take, validated by these users."""
        return estimate(self.log, validation, self.backend, self.config, self.kept.outputs)


def _ready(
    log: InteractionLog,
    base_model: str | os.PathLike[str] | None,
    config: FitConfig,
    checkpoint: str | Path | None,
    allow_untexted: bool,
    device: str | torch.device,
    dtype: str | torch.dtype,
) -> ReadyBase:
    """The base model, loaded or pretrained, once everything that can be refused was looked at."""
    catalogue = log.catalogue
    config = _with_ids(config, catalogue)
    is_bag = base_model is None and not config.language_model  # nobody would ask what it pretrained
    if not catalogue.has_text:
        config = _without_texts(config, is_bag, allow_untexted and base_model is not None)
    _told_by_log(config, log)  # which may refuse the feedback asked for
    _check_encoder(config.item_encoder)  # before minutes go into the base model
    device = check_device(device)
    dtype = check_dtype(dtype, device)
    name = None if base_model is None else _lasting_name(base_model)
    source = name or _own_base_model(catalogue, config, is_bag)
    base, tokenizer = load_base_model(source, dtype, config.model.layers)
    backend = TransformersBackend(base, tokenizer, name)
    check_window(config.model.window, backend)  # before minutes go into the item tokens
    backend.to(device)
    config = replace(config, items=config.kind_of_items(base.num_parameters()))
    place = None if checkpoint is None else Path(checkpoint)
    kept = KeptTexts.of(catalogue, base, config.item_tokens, place, lasting=name is not None)
    return ReadyBase(log, backend, config, kept, is_bag)


def _with_ids(config: FitConfig, catalogue: Catalogue) -> FitConfig:
    """Whether items have ids, where the settings leave it open."""
    if config.model.item_ids is not None:
        return config
    return replace(config, model=replace(config.model, item_ids=len(catalogue) <= EXACT_ITEMS))


def _without_texts(config: FitConfig, is_bag: bool, is_allowed: bool) -> FitConfig:
    """The settings for items without text: random ones, or known by what users share alone."""
    if not is_allowed and not (is_bag and config.model.item_ids):
        raise DataError(
            "the catalogue has no item text, which the LE learns from; bring an items table with "
            "titles or descriptions, or learn what users share alone with language_model=False "
            "(--no-language-model), or name a base model and set allow_untexted=True "
            "(--allow-untexted) to give items random tokens"
        )
    return replace(config, items="shared", item_encoder=None) if is_bag else config


def _own_base_model(catalogue: Catalogue, config: FitConfig, is_bag: bool) -> Path:
    """The package's own base model: pretrained on the texts, unless nobody would ask it."""
    if not is_bag:
        return small_base_model(catalogue, config.small_model)
    untrained = replace(config.small_model, min_steps=0, max_steps=0)
    if catalogue.has_text:
        return small_base_model(catalogue, untrained)
    return small_base_model_of(["item"], untrained)


def _read(ready: ReadyBase, users: InteractionLog | None) -> LanguageEnvironment:
    """The LE whose base model has read the items' texts."""
    catalogue, config = ready.log.catalogue, ready.config
    backend: LMBackend = ready.backend
    base, tokenizer = ready.backend.base_model, ready.backend.tokenizer
    record: dict[str, Any] = {"fit_config": json.loads(json.dumps(asdict(config)))}
    reads_texts = catalogue.has_text and config.reads_texts
    space: TextSpace | None = None
    if reads_texts:
        tokens, losses, features, projection = processes.on_main(
            lambda: _tokens_and_features(ready)
        )
        if losses:
            record["item_tokens"] = {"steps": config.item_tokens.steps, **losses}
        words = ItemWords.of(catalogue, tokenizer, config.item_tokens.max_tokens)
        space = _text_space(ready, projection)
    else:
        tokens, features = _random_tokens(len(catalogue), base, config.model)
        if config.items == "shared":
            features = shared_features(ready.log, config.model.state_size, config.model.seed)
        words = ItemWords.none(len(catalogue))
    if not config.language_model:
        backend = NullLM(backend.hidden_size)
    shape = _told_by_log(config, ready.log)
    if shape.output_scale is None and (config.item_encoder is not None or not reads_texts):
        shape = replace(shape, output_scale=backend.hidden_size**-0.5)
    model = LanguageEnvironment(catalogue, backend, tokens, features, shape, words, users)
    model.record, model.text_space = record, space
    return model.to(base.device).eval()


def _told_by_log(config: FitConfig, log: InteractionLog) -> LanguageEnvironmentConfig:
    """The LE's shape, where it follows from the log: order and feedback; and whether it skips."""
    shape = replace(config.model, skips=config.reads_skips)
    if shape.ordered is None:
        shape = replace(shape, ordered=log.is_ordered)
    if config.feedback == "none" or shape.feedback is not None:
        return shape
    source = None if config.feedback == "auto" else config.feedback
    scale = FeedbackScale.of(log, source, FeedbackRule.of(config.feedback_rule))
    if scale is None:
        return shape
    if not len(users_with_feedback(scale, log)):
        if source is None:
            return shape
        raise DataError(too_little(source))
    return replace(shape, feedback=scale)


def _tokens_and_features(ready: ReadyBase) -> tuple[Tensor, dict[str, float], Tensor, Projection]:
    """Item tokens, what learning them came to, item features, and what projected these."""
    catalogue, config = ready.log.catalogue, ready.config
    base, tokenizer = ready.backend.base_model, ready.backend.tokenizer
    losses: dict[str, float] = {}
    if config.items == "pooled":
        tokens = pooled_tokens(catalogue, base, tokenizer, config.item_tokens.max_tokens).cpu()
    else:
        tokens, losses = learn_item_tokens(
            catalogue, base, tokenizer, config.item_tokens, ready.kept.tokens
        )
    outputs = tokens if ready.is_bag and config.item_encoder is None else _outputs(ready)
    projection = Projection.of(outputs, config.model.state_size)
    return tokens, losses, projection(outputs), projection


def _outputs(ready: ReadyBase) -> Tensor:
    """What the sentence encoder or the LM makes of each item's text, float32 (n_items, E)."""
    catalogue, config, backend = ready.log.catalogue, ready.config, ready.backend
    if config.item_encoder is not None:
        return sentence_outputs(catalogue, load_encoder(config.item_encoder, backend.device))
    limit, layer, kept = config.item_tokens.max_tokens, config.text_layer, ready.kept.outputs
    return mean_outputs(catalogue, backend.base_model, backend.tokenizer, limit, layer, kept)


def _text_space(ready: ReadyBase, projection: Projection) -> TextSpace:
    """How the items were read."""
    config, backend = ready.config, ready.backend
    learned = config.item_tokens
    encoder = None if config.item_encoder is None else _lasting_name(config.item_encoder)
    tokenizer = backend.tokenizer
    texts = token_rows(ready.log.catalogue.sentences, tokenizer, learned.max_tokens)
    vocabulary = Vocabulary.of(texts)
    is_bag = ready.is_bag and encoder is None
    return TextSpace(
        Reading(
            encoder=encoder,
            base=backend.name,
            layer=config.text_layer,
            max_tokens=learned.max_tokens,
            tokens="text" if config.items == "text" else "pooled",
            steps=learned.steps,
            learning_rate=learned.learning_rate,
        ),
        projection,
        vocabulary,
        word_embeddings(backend.base_model)[vocabulary.tokens].cpu() if is_bag else None,
        {} if config.language_model else tokenizer_files(tokenizer),
    )


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
    n_items: int, base: PreTrainedModel, shape: LanguageEnvironmentConfig
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(shape.seed)
    words = word_embeddings(base).cpu()
    size = min(shape.state_size, words.shape[1])
    tokens = torch.randn(n_items, words.shape[1], generator=generator) * float(words.std())
    features = torch.randn(n_items, size, generator=generator)
    return tokens, torch.nn.functional.normalize(features, dim=1)
