"""An LE as one folder, in the Hugging Face manner.

config.json           format, settings, what learning measured, versions
heads.safetensors     heads, item tokens, item features, item words, reward normalisers
adapter/              the LoRA adapter, as peft writes it
base_model/           tokenizer, and the base model's weights where they go along
catalog.parquet       the items
users.parquet         held-out users whose initial histories start episodes
"""

from __future__ import annotations

import importlib.metadata
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.files import atomic_path, read_json, write_json
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.lm.backend import LMBackend
from llmrec_env.language.lm.null import NullLM
from llmrec_env.language.lm.qwen3 import Qwen3Backend

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from llmrec_env.language.lm.transformers_backend import TransformersBackend
    from llmrec_env.language.model import LanguageEnvironment

FORMAT = 1
COPY_BASE_BELOW = 50_000_000  # parameters; a larger base model is saved by name, not by weights
FLOATS = ("item_tokens", "item_features", "word_weights", "reward_mean", "reward_sd")
PLACES = ("word_ids", "word_offsets")


def save_model(
    model: LanguageEnvironment,
    folder: str | os.PathLike[str],
    dtype: torch.dtype,
    copy_base: bool | None,
) -> None:
    """See :meth:`LanguageEnvironment.save_pretrained`."""
    silent = isinstance(model.backend, NullLM)
    language_model = None if silent else _SavedLanguageModel.of(_learning_backend(model), copy_base)
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        if language_model is not None:
            language_model.write(temporary, dtype)
        save_file(_own_tensors(model, dtype), temporary / "heads.safetensors")
        model.catalogue.save(temporary / "catalog.parquet")
        if model.users is not None:
            model.users.save(temporary / "users.parquet")
        write_json(temporary / "config.json", _description(model, language_model))


@dataclass(frozen=True)
class _SavedLanguageModel:
    """A base model and its adapter, and whether the weights go along."""

    backend: TransformersBackend
    copied: bool

    @classmethod
    def of(cls, backend: TransformersBackend, copy: bool | None) -> _SavedLanguageModel:
        if copy is None:
            copy = backend.name is None or backend.base_model.num_parameters() < COPY_BASE_BELOW
        if not copy and backend.name is None:
            raise LLMRecError(
                "this base model came from no named place; save it with copy_base=True"
            )
        return cls(backend, copy)

    def write(self, folder: Path, dtype: torch.dtype) -> None:
        from llmrec_env.language.lm.pretrained import quiet_transformers

        with quiet_transformers():
            place = "../base_model" if self.copied else self.backend.name
            save_adapter(self.backend.causal_lm, folder / "adapter", dtype, place)
            if self.copied:
                save_base(self.backend.base_model, folder / "base_model", dtype)
            self.backend.tokenizer.save_pretrained(folder / "base_model")


def _learning_backend(model: LanguageEnvironment) -> TransformersBackend:
    from llmrec_env.language.lm.transformers_backend import TransformersBackend

    if isinstance(model.backend, TransformersBackend) and model.backend.can_learn:
        return model.backend
    raise LLMRecError(
        "this LE was loaded to answer only, its adapter folded into the base model; copy its "
        "folder, or load it with LanguageEnvironment.from_pretrained and save that"
    )


@dataclass(frozen=True, eq=False)
class SavedModel:
    """What stands in the folder of a saved LE."""

    folder: Path
    description: dict[str, Any]
    tensors: dict[str, Tensor]

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> SavedModel:
        """Read the folder's description and tensors.

        Raises:
            LLMRecError: it is no saved LE, or of a format that this version cannot read.
        """
        path = Path(folder)
        if not (path / "config.json").exists() or not (path / "heads.safetensors").exists():
            raise LLMRecError(
                f"{path} holds no saved language environment (config.json and heads.safetensors); "
                "make one with `llmrec fit` or LanguageEnvironment.save_pretrained"
            )
        description = read_json(path / "config.json")
        if description.get("format") != FORMAT:
            raise LLMRecError(
                f"{path} has format {description.get('format')!r}, this version reads {FORMAT}; "
                "fit it again"
            )
        stored = load_file(path / "heads.safetensors").items()
        tensors = {n: v.float() if v.is_floating_point() else v.long() for n, v in stored}
        return cls(path, description, tensors)

    def backend(self, dtype: torch.dtype, fold: bool) -> LMBackend:
        """The base model; a fast reader with the adapter in it, where there is one to ``fold``."""
        if self.description.get("silent", False):
            return NullLM(self.tensors["item_tokens"].shape[1])
        own = self.folder / "base_model"
        if fold and self.description["base_model"] is None and Qwen3Backend.reads(own):
            return Qwen3Backend.load(own, self.folder / "adapter", dtype)
        from llmrec_env.language.lm.pretrained import load_base_model
        from llmrec_env.language.lm.transformers_backend import TransformersBackend

        base, tokenizer = load_base_model(self.description["base_model"] or own, dtype)
        return TransformersBackend(base, tokenizer, self.description["base_name"])

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return Catalogue.load(self.folder / "catalog.parquet")

    @property
    def users(self) -> InteractionLog | None:
        """The held-out users, if any were saved."""
        path = self.folder / "users.parquet"
        return InteractionLog.load(path, self.catalogue) if path.exists() else None

    def restore(self, model: LanguageEnvironment, fold: bool) -> None:
        """Put the learned weights into a model that was built from this folder."""
        prefix = "heads."
        named = {n[len(prefix) :]: v for n, v in self.tensors.items() if n.startswith(prefix)}
        model.heads.load_state_dict(named)
        model.reward_mean.copy_(self.tensors["reward_mean"])
        model.reward_sd.copy_(self.tensors["reward_sd"])
        if not model.backend.can_learn or isinstance(model.backend, NullLM):
            return
        from peft import set_peft_model_state_dict

        backend = _learning_backend(model)
        adapter = load_file(self.folder / "adapter" / "adapter_model.safetensors")
        set_peft_model_state_dict(backend.causal_lm, adapter)
        if fold:
            backend.fold()


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
    write_json(folder / "adapter_config.json", config)
    (folder / "README.md").unlink(missing_ok=True)  # a form of peft's that nobody filled in


def save_base(base: PreTrainedModel, folder: Path, dtype: torch.dtype) -> None:
    """Write the weights of a base model, without the adapter that stands in it."""
    tensors = {}
    for name, value in base.state_dict().items():
        if ".lora_" not in name:
            tensors[name.replace(".base_layer", "")] = value.to(dtype).contiguous().clone()
    if base.config.tie_word_embeddings:
        tied = set(getattr(base, "_tied_weights_keys", None) or [])
        tensors = {name: value for name, value in tensors.items() if name not in tied}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    base.config.save_pretrained(folder)


def _own_tensors(model: LanguageEnvironment, dtype: torch.dtype) -> dict[str, Tensor]:
    tensors = {f"heads.{n}": v for n, v in model.heads.state_dict().items()}
    tensors |= {name: getattr(model, name) for name in FLOATS}
    tensors = {n: v.detach().cpu().to(dtype).contiguous() for n, v in tensors.items()}
    return tensors | {n: getattr(model, n).cpu().int() for n in PLACES}


def _description(
    model: LanguageEnvironment, language_model: _SavedLanguageModel | None
) -> dict[str, Any]:
    packages = ("torch", "transformers", "peft")
    name = None if language_model is None else language_model.backend.name
    return {
        "format": FORMAT,
        "silent": language_model is None,
        "base_model": None if language_model is None or language_model.copied else name,
        "base_name": name,
        "n_items": len(model.catalogue),
        "config": asdict(model.config),
        "record": model.record,
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }
