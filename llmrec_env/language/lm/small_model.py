"""Makes a small causal LM, pretrained on the catalogue's own texts, and caches it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from llmrec_env.common import processes
from llmrec_env.common.errors import DataError
from llmrec_env.common.files import atomic_path, cache_folder, check_writable, fingerprint
from llmrec_env.common.settings_types import check_types
from llmrec_env.common.training import TrainingConfig, bucketed_batches, clear_checkpoint, train
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.language.lm.pretrained import quiet_transformers
from llmrec_env.language.lm.tokenization import padded, token_rows

START, END, PAD = "<s>", "</s>", "<pad>"
FORMAT = "1"  # part of the cache's key: raise it when the recipe below changes


@dataclass(frozen=True)
class SmallModelConfig:
    """A small Qwen3-shaped causal LM, learned from nothing but the catalogue's own texts."""

    hidden_size: int = 128
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    intermediate_size: int = 256
    vocabulary: int = 2048
    """Entries of the byte-level BPE vocabulary at most."""
    max_tokens: int = 64
    """Tokens of an item's sentence that are read; the rest is cut off."""
    epochs: int = 4
    """Passes over the catalogue at most."""
    min_steps: int = 300
    """Optimiser steps at least, for small catalogues."""
    max_steps: int = 600
    """Optimiser steps at most, for large ones; 0 leaves the model as it is drawn, which has read
    nothing: all that is learned then is how to part texts into tokens."""
    batch_size: int = 32
    """Sentences a step."""
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)


def small_base_model(catalogue: Catalogue, config: SmallModelConfig | None = None) -> Path:
    """The folder of a small LM pretrained on the catalogue's texts; made once for each content.

    Of several processes only the main one pretrains, so that the same content is always the same
    model; the others must find the cache folder where it does.

    Raises:
        DataError: no item has any text.
    """
    texts = [text for text in catalogue.sentences if text]
    if not texts:
        raise DataError(
            "the catalogue has no item text, and a language model learns from text; bring titles "
            "or descriptions, or name a base model and set allow_untexted=True (--allow-untexted)"
        )
    return small_base_model_of(texts, config)


def small_base_model_of(texts: list[str], config: SmallModelConfig | None = None) -> Path:
    """Like :func:`small_base_model`, pretrained on any texts, of which there is at least one."""
    config = config or SmallModelConfig()
    return processes.on_main(lambda: _small_base_model(texts, config))


def _small_base_model(texts: list[str], config: SmallModelConfig) -> Path:
    key = fingerprint([FORMAT, json.dumps(asdict(config), sort_keys=True), *texts])
    folder = cache_folder() / "base_models" / key
    if not (folder / "config.json").exists():
        check_writable(folder, "the cache, which $LLMREC_CACHE moves")
        tokenizer = _train_tokenizer(texts, config)
        model = _pretrain(texts, tokenizer, config, folder.with_name(f"{key}.checkpoint"))
        with atomic_path(folder) as temporary, quiet_transformers():
            model.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
        clear_checkpoint(folder.with_name(f"{key}.checkpoint"))
    return folder


def _train_tokenizer(texts: list[str], config: SmallModelConfig) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=PAD
    )


def _pretrain(
    texts: list[str], tokenizer: PreTrainedTokenizerFast, config: SmallModelConfig, checkpoint: Path
) -> Qwen3ForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = Qwen3ForCausalLM(_qwen3_config(config, len(tokenizer)))
    if config.max_steps == 0:
        return model
    rows = token_rows(texts, tokenizer, config.max_tokens)
    held_out = max(1, min(256, len(rows) // 20))
    order = np.random.default_rng(config.seed).permutation(len(rows))
    learned = [rows[i] for i in order[held_out:]] or rows  # a single text is both
    lengths = np.array([len(row) for row in learned])
    batches = bucketed_batches(lengths, config.batch_size, config.seed)
    steps = config.epochs * -(-len(rows) // config.batch_size)
    steps = int(np.clip(steps, config.min_steps, config.max_steps))
    check = [rows[i] for i in order[:held_out]]
    train(
        model,
        lambda step, _: {"text": _text_loss(model, [learned[i] for i in batches(step)])},
        TrainingConfig(
            steps=steps,
            learning_rate=config.learning_rate,
            weight_decay=0.1,
            evaluate_every=max(1, steps // 8),
            patience=2,
            seed=config.seed,
        ),
        evaluate=lambda: {"log likelihood": -float(_text_loss(model, check))},
        metric="log likelihood",
        folder=checkpoint,
        description="pretrain a small language model",
    )
    return model


def _qwen3_config(config: SmallModelConfig, vocabulary: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        head_dim=config.hidden_size // config.heads,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )


def _text_loss(model: PreTrainedModel, rows: list[list[int]]) -> Tensor:
    """Mean negative log-likelihood a token, each text read after the start token."""
    start = model.config.bos_token_id
    ids, real = padded([[start, *row] for row in rows], model.device)
    hidden = model.base_model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    targets = real[:, 1:]
    logits = model.lm_head(hidden[targets])
    return torch.nn.functional.cross_entropy(logits.float(), ids[:, 1:][targets])
