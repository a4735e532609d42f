"""Loads a pretrained causal language model by hub name or from a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.files import is_missing_folder
from llmrec_env.language.lm.transformers_backend import check_architecture


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' own progress bars off: what takes long has a bar of ours."""
    shown = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers.utils.logging.enable_progress_bar()


def load_base_model(
    name_or_path: str | os.PathLike[str], dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal LM and its tokenizer by hub name or from a local folder, safetensors only.

    Raises:
        LLMRecError: nothing of that name can be loaded, or it is no decoder with attention.
    """
    name = str(name_or_path)
    try:
        if is_missing_folder(name):
            raise OSError("there is no such folder.")
        with quiet_transformers():
            own: dict[str, Any] = {"trust_remote_code": False}  # else transformers may ask
            check_architecture(AutoConfig.from_pretrained(name, **own))
            model = AutoModelForCausalLM.from_pretrained(
                name, dtype=dtype, use_safetensors=True, **own
            )
            tokenizer = AutoTokenizer.from_pretrained(name, **own)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise LLMRecError(
            f"no causal language model can be loaded from {name!r}: {reason} Name a model of the "
            "Hugging Face hub, or a folder with config.json, safetensors and a tokenizer"
        ) from error
    return model.eval(), tokenizer
