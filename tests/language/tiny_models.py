"""Tiny LEs of many architectures, and what a plain reading of the whole history says."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn.functional import normalize
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen3Config,
)

from llmrec_env.common.arrays import IntArray
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.data.windows import Window
from llmrec_env.language.fitting import FitConfig
from llmrec_env.language.item_tokens import ItemTokenConfig
from llmrec_env.language.item_words import ItemWords
from llmrec_env.language.learning import LearningConfig
from llmrec_env.language.lm.small_model import SmallModelConfig
from llmrec_env.language.lm.transformers_backend import TransformersBackend
from llmrec_env.language.model import LanguageEnvironment, LanguageEnvironmentConfig

N_ITEMS = 24
WINDOW = Window(size=6, block=3)
WIDTH = 16

SIZES = {
    "vocab_size": 320,
    "hidden_size": WIDTH,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
ARCHITECTURES: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
    "gpt2": GPT2Config(
        vocab_size=320,
        n_embd=WIDTH,
        n_layer=2,
        n_head=2,
        n_positions=32,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "mistral": MistralConfig(**SIZES, sliding_window=3),
    "gemma2": Gemma2Config(**SIZES, sliding_window=3),
    "gemma3": Gemma3TextConfig(
        **SIZES, sliding_window=3, layer_types=["sliding_attention", "full_attention"]
    ),
}

# a base model, and all stages of learning an LE, in a second
SMALL = SmallModelConfig(
    hidden_size=16,
    layers=1,
    heads=2,
    kv_heads=1,
    intermediate_size=24,
    vocabulary=320,
    max_tokens=24,
    min_steps=8,
    max_steps=8,
    batch_size=8,
)
TINY = FitConfig(
    model=LanguageEnvironmentConfig(window=Window(12, 6), lora_rank=2),
    small_model=SMALL,
    item_tokens=ItemTokenConfig(steps=2, block=32, max_tokens=24),
    learning=LearningConfig(
        epochs=1,
        min_steps=8,
        batch_size=8,
        validations=4,
        patience=0,
        learning_rate=1e-2,
        precision="float32",  # the same LE on every machine
    ),
)


def causal_lm(config: PretrainedConfig, seed: int = 0) -> PreTrainedModel:
    """A causal LM of random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config).eval()


def catalogue(n_items: int = N_ITEMS) -> Catalogue:
    """Items with a title of two words."""
    words = ["red", "old", "tall", "quiet", "warm"]
    titles = [f"{words[i % 5]} thing{i // 5}" for i in range(n_items)]
    ids = [f"i{i}" for i in range(n_items)]
    return Catalogue(pl.DataFrame({"item_id": ids, "title": titles}))


def log_of(sequences: list[list[int]], items: Catalogue | None = None) -> InteractionLog:
    """A log of these sequences, one a user."""
    offsets = np.cumsum([0, *map(len, sequences)]).astype(np.int64)
    flat = np.array([item for sequence in sequences for item in sequence], dtype=np.int64)
    users = pl.Series([f"u{u}" for u in range(len(sequences))], dtype=pl.String)
    return InteractionLog(items or catalogue(), users, offsets, flat)


def random_log(lengths: list[int], seed: int = 0) -> InteractionLog:
    """A log of users with so many interactions each."""
    rng = np.random.default_rng(seed)
    return log_of([rng.permutation(N_ITEMS)[:length].tolist() for length in lengths])


def tiny_le(
    config: PretrainedConfig, window: Window = WINDOW, n_items: int = N_ITEMS, skips: bool = False
) -> LanguageEnvironment:
    """An LE in which every part has its say: heads and adapters are moved away from zero."""
    generator = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    model = LanguageEnvironment(
        catalogue(n_items),
        TransformersBackend(causal_lm(config), cast(Any, None)),  # no text is read
        noise(n_items, WIDTH),
        normalize(noise(n_items, 8), dim=1),
        LanguageEnvironmentConfig(window=window, lora_rank=2, skips=skips),
        # two words an item, of ten
        ItemWords(torch.arange(2 * n_items) % 10, noise(2 * n_items), torch.arange(n_items) * 2),
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("heads.") or "lora_B" in name:
                parameter += 0.3 * noise(*parameter.shape)
    return model.eval()


@torch.no_grad()
def plain_state(model: LanguageEnvironment, history: IntArray) -> Tensor:
    """The state after a history, from a reading that uses none of our masks or caches."""
    items = np.asarray(history[window_start(model, len(history)) :])
    hidden = _read(model, items)[-1]
    raw = mapped_means(model, model.tables().features[items])
    return normalize(raw + model.heads.state_correction(hidden), dim=0)


@torch.no_grad()
def mapped_means(model: LanguageEnvironment, features: Tensor) -> Tensor:
    """What the means of features (T, D) bring to a state, without a running mean."""
    heads, raw = model.heads, torch.zeros(1)
    maps = [heads.state_map.weight, *([heads.long_map] if heads.long_run else [])]
    for decay, own in zip(heads.decays, maps, strict=True):
        weights = decay ** torch.arange(len(features) - 1, -1, -1)
        raw = raw + own @ ((weights[:, None] * features).sum(0) / weights.sum())
    return raw


@torch.no_grad()
def plain_reward(model: LanguageEnvironment, history: IntArray, action: int) -> float:
    """The liking of an action after a history, read at the end of history and action."""
    start = window_start(model, len(history))
    hidden = _read(model, np.append(history[start:], action))
    before = plain_state(model, history)
    raw = model.heads.raw_reward(hidden[-1], before, model.tables().vectors[action])
    return float(torch.sigmoid((raw - model.reward_mean) / model.reward_sd))


def window_start(model: LanguageEnvironment, t: int) -> int:
    """The formula of the moving window, for one number."""
    size, block = model.config.window.size, model.config.window.block
    return block * max(0, int(np.ceil((t - size) / block)))


def _read(model: LanguageEnvironment, items: IntArray) -> Tensor:
    embedded = model.tables().tokens[items][None]
    backend = model.backend
    assert isinstance(backend, TransformersBackend)
    return backend.transformer(inputs_embeds=embedded, use_cache=False).last_hidden_state[0]
