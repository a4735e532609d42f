"""Saves a language model and its adapter to folders that peft and transformers load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file

from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.files import read_json, write_json
from llmrec_env.common.tensor_files import check_shapes, read_tensors, sample_lines
from llmrec_env.language.lm.decoder import own_weights
from llmrec_env.language.lm.pretrained import quiet_transformers
from llmrec_env.language.lm.transformers_backend import TransformersBackend

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

COPY_BASE_BELOW = 50_000_000  # parameters; a larger base model is saved by name, not by weights


def save_language_model(
    backend: TransformersBackend, folder: Path, dtype: torch.dtype, copy_base: bool | None
) -> bool:
    """Write ``adapter/`` and ``base_model/``; whether the base model's weights went along.

    Args:
        backend: the language model, with its adapter.
        folder: where to.
        dtype: of the stored numbers.
        copy_base: whether the weights go along; None where they are small or have no other place.

    Raises:
        LLMRecError: the weights are to stay where they are, and that has no name.
    """
    base = backend.base_model
    copy = copy_base
    if copy is None:
        copy = backend.name is None or base.num_parameters() < COPY_BASE_BELOW
    if not copy and backend.name is None:
        raise LLMRecError("this base model came from no named place; save it with copy_base=True")
    with quiet_transformers():
        place = "../base_model" if copy else backend.name
        save_adapter(backend.causal_lm, folder / "adapter", dtype, place)
        if copy:
            save_base(base, folder / "base_model", dtype)
        backend.tokenizer.save_pretrained(folder / "base_model")
    return copy


def save_adapter(
    model: PreTrainedModel | PeftModel, folder: Path, dtype: torch.dtype, base: str | None
) -> None:
    """Write the adapter of a model as peft does; ``base`` says where its base model is found."""
    model.save_pretrained(str(folder), save_embedding_layers=False)
    path = folder / "adapter_model.safetensors"
    tensors = {n: v.to(dtype).contiguous() for n, v in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})
    config = read_json(folder / "adapter_config.json")
    # not where the base model stood on this machine
    config["base_model_name_or_path"] = base
    # peft keeps sets, whose order differs from process to process
    for name in ("target_modules", "exclude_modules"):
        if isinstance(config.get(name), list):
            config[name] = sorted(config[name])
    write_json(folder / "adapter_config.json", config)
    (folder / "README.md").unlink(missing_ok=True)  # a form of peft's that nobody filled in


def save_base(base: PreTrainedModel, folder: Path, dtype: torch.dtype) -> None:
    """Write the weights of a base model, without the adapter that stands in it."""
    tensors = {n: v.to(dtype).contiguous().clone() for n, v in own_weights(base).items()}
    if base.config.tie_word_embeddings:
        tied = set(getattr(base, "_tied_weights_keys", None) or [])
        tensors = {name: value for name, value in tensors.items() if name not in tied}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    base.config.save_pretrained(folder)


def load_adapter(model: PreTrainedModel | PeftModel, folder: Path) -> None:
    """Put a saved adapter into a model that has a fresh one, whole or not at all.

    Raises:
        DataError: its file is damaged, or a tensor missing, new or of another shape.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    path = folder / "adapter_model.safetensors"
    tensors = read_tensors(path)
    fresh = get_peft_model_state_dict(model, save_embedding_layers=False)
    check_shapes(path, tensors, {name: tuple(value.shape) for name, value in fresh.items()})
    set_peft_model_state_dict(model, tensors)


def base_lines(base: PreTrainedModel) -> dict[str, str]:
    """A line for each weight of a base model that is saved by name; see :func:`sample_lines`."""
    return sample_lines(own_weights(base))


def check_base(base: PreTrainedModel, saved: Mapping[str, str], name: object) -> None:
    """Refuse another base model than the one of which :func:`base_lines` made ``saved``.

    Weights that another version of transformers calls otherwise are passed over.

    Raises:
        LLMRecError: a weight has other numbers or another shape.
    """
    for weight, line in base_lines(base).items():
        ours, theirs = line.split("] "), saved.get(weight, line).split("] ")
        if any(a != b for a, b in zip(ours, theirs, strict=False)):
            raise LLMRecError(
                f"the base model {str(name)!r} is not the one that this LE learned with: its "
                f"weight {weight!r} differs; name the right one as base_model in config.json"
            )
