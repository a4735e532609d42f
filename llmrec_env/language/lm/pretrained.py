"""Loads a pretrained causal language model by hub name, from a folder or from a GGUF file."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from llmrec_env.common.errors import LLMRecError
from llmrec_env.language.lm.decoder import text_config
from llmrec_env.language.lm.gguf_files import converted, converted_folder, gguf_file
from llmrec_env.language.lm.source import check_source, loading
from llmrec_env.language.lm.trial import check_architecture, check_weights


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' progress bars and reports off: what takes long has a bar of ours."""
    log = transformers.utils.logging
    shown, level = log.is_progress_bar_enabled(), log.get_verbosity()
    log.disable_progress_bar()
    log.set_verbosity_error()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if shown:
            log.enable_progress_bar()


def load_base_model(
    name_or_path: str | os.PathLike[str],
    dtype: torch.dtype = torch.float32,
    layers: int | None = None,
    content: str | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal LM and its tokenizer, from safetensors or GGUF only.

    Args:
        name_or_path: hub name, folder, GGUF file, or a folder that holds one.
        dtype: of its numbers.
        layers: how many of its layers are kept, from the first one on; the norm that follows the
            last one follows them. None keeps all.
        content: key of a GGUF file whose conversion will do, should the file be gone; see
            :func:`llmrec_env.language.lm.gguf_files.content_key`.

    Raises:
        LLMRecError: nothing of that name can be loaded, it is no decoder with attention, has fewer
            layers, or its parts do not belong together: weights are missing, too many, of another
            shape or no numbers, or the tokenizer has words that the model has not.
    """
    given = str(name_or_path)
    with loading(given, "causal language model"), quiet_transformers():
        name = _folder_of(given, content)
        own: dict[str, Any] = {"trust_remote_code": False}  # else transformers may ask
        own |= check_source(name)
        config = AutoConfig.from_pretrained(name, **own)
        check_architecture(config)
        if layers is not None:
            keep_first_layers(config, layers)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            name,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # else its error is a table
            **own,
        )
        model, found = cast(tuple[PreTrainedModel, dict[str, Any]], loaded)
        if getattr(model, "_hf_peft_config_loaded", False):
            raise LLMRecError("it comes with an adapter; merge that into its base model first")
        unexpected = found["unexpected_keys"] if layers is None else ()
        check_names(found["missing_keys"], unexpected, model.state_dict().keys())
        check_sizes(found["mismatched_keys"])
        check_weights(model)
        tokenizer = AutoTokenizer.from_pretrained(name, **own)
        check_words(model, tokenizer)
    return model.eval(), tokenizer


def _folder_of(name: str, content: str | None) -> str:
    """What transformers is to load: the conversion of a GGUF file, or the name as it is."""
    if content is not None and (kept := converted_folder(content)).exists():
        return str(kept)
    if content is not None and not Path(name).exists():
        raise LLMRecError(
            "the file is gone, and the cache ($LLMREC_CACHE) has no conversion of it; bring it "
            "back, or name where it is as base_model in config.json"
        )
    file = gguf_file(name)
    return name if file is None else str(converted(file))


def keep_first_layers(config: PretrainedConfig, layers: int) -> None:
    """Let a configuration describe the model without its later layers.

    Raises:
        LLMRecError: it has fewer.
    """
    words = text_config(config)
    whole = words.num_hidden_layers
    if not 1 <= layers <= whole:
        raise LLMRecError(f"it has {whole} layers, of which {layers} cannot be kept")
    words.num_hidden_layers = layers
    for name, value in list(vars(words).items()):  # what kind of layer each one is
        if isinstance(value, list) and len(value) == whole and name.endswith(("types", "layers")):
            setattr(words, name, value[:layers])


def check_names(
    missing: Collection[str], unexpected: Collection[str], known: Collection[str]
) -> None:
    """Refuse a file whose weights do not fit the model: what is missing would be random numbers.

    Weights that the model has no place for are passed over as transformers does, unless they are
    those of a further layer.

    Raises:
        LLMRecError: a weight is missing, or a layer too many.
    """
    if missing:
        pairs = [(m, u) for m in sorted(missing) for u in sorted(unexpected) if u.endswith(m)]
        first, other = pairs[0] if pairs else (min(missing), None)
        hint = "" if other is None else f", which the file has as {other!r}"
        raise LLMRecError(
            f"{len(missing)} of its weights are missing from the file, such as {first!r}{hint}"
        )
    kinds = {_kind(name) for name in known}
    layers = sorted(name for name in unexpected if _kind(name) in kinds)
    if layers:
        raise LLMRecError(
            f"its file has {len(layers)} weights more than config.json describes, first "
            f"{layers[0]!r}"
        )


def check_sizes(mismatched: Collection[tuple[str, Sequence[int], Sequence[int]]]) -> None:
    """Refuse weights of other shapes than config.json describes.

    Raises:
        LLMRecError: there is one.
    """
    for name, given, expected in sorted(mismatched):
        raise LLMRecError(
            f"its weight {name!r} has the shape {list(given)}, and by config.json it would have "
            f"{list(expected)}"
        )


def _kind(weight: str) -> str:
    """A weight's name without the number of its layer."""
    return re.sub(r"\.\d+\.", ".*.", weight)


def check_words(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a tokenizer that knows no words, or gives ids beyond the model's embeddings.

    Special tokens may lie beyond, but for the end token: no text holds the others.

    Raises:
        LLMRecError: it does.
    """
    rows = cast(Tensor, model.get_input_embeddings().weight).shape[0]
    if not tokenizer("some words", add_special_tokens=False)["input_ids"]:
        raise LLMRecError("its tokenizer knows no words; is tokenizer.json missing?")
    special = set(tokenizer.all_special_ids) - {tokenizer.eos_token_id}
    beyond = {i: word for word, i in tokenizer.get_vocab().items() if i >= rows} if rows else {}
    read = sorted(i for i in beyond if i not in special)
    if read:
        raise LLMRecError(
            f"its tokenizer gives {beyond[read[0]]!r} the id {read[0]}, and the model has only "
            f"{rows} word embeddings: the two do not belong together"
        )
