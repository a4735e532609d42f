"""Reads and writes the folder of a saved LE, in the layout of Hugging Face.

config.json           format, settings, what learning measured, versions
heads.safetensors     heads, item tokens, item features, item words, reward normalisers
adapter/              the LoRA adapter, as peft writes it
base_model/           tokenizer, and the base model's weights where they go along
catalogue.parquet     the items (catalog.parquet in folders of before version 0.1)
users.parquet         held-out users whose initial histories start episodes
"""

from __future__ import annotations

import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.files import atomic_path, folder_fingerprint, read_json, write_json
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.lm.backend import LMBackend
from llmrec_env.language.lm.null import NullLM
from llmrec_env.language.lm.qwen3 import Qwen3Backend

if TYPE_CHECKING:
    from llmrec_env.language.lm.transformers_backend import TransformersBackend

FORMAT = 1
CATALOGUE = "catalogue.parquet"
OLD_CATALOGUE = "catalog.parquet"  # its name before version 0.1


@dataclass(frozen=True, eq=False)
class SavedModel:
    """The folder of a saved LE, read.

    Attributes:
        folder: where it stands.
        description: what config.json holds.
        tensors: what heads.safetensors holds, in float32 and int64.
    """

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
        """The language model; with ``fold``, where it can, the fast one that only answers."""
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
        return saved_catalogue(self.folder)

    @property
    def users(self) -> InteractionLog | None:
        """The held-out users, if any were saved."""
        path = self.folder / "users.parquet"
        return InteractionLog.load(path, self.catalogue) if path.exists() else None

    def restore_adapter(self, backend: LMBackend, fold: bool) -> None:
        """Put the learned adapter into what :meth:`backend` gave, once it has one."""
        if not backend.can_learn or isinstance(backend, NullLM):
            return
        from peft import set_peft_model_state_dict

        adapted = _learning_backend(backend)
        adapter = load_file(self.folder / "adapter" / "adapter_model.safetensors")
        set_peft_model_state_dict(adapted.causal_lm, adapter)
        if fold:
            adapted.fold()


def saved_catalogue(folder: Path) -> Catalogue:
    """The items of a saved LE, under either name of their file."""
    path = folder / CATALOGUE
    return Catalogue.load(path if path.exists() else folder / OLD_CATALOGUE)


def saved_fingerprint(folder: Path) -> str:
    """The fingerprint of a saved LE's files, the same under either name of its catalogue."""
    return folder_fingerprint(folder, {CATALOGUE: OLD_CATALOGUE})


def write_folder(
    folder: str | os.PathLike[str],
    backend: LMBackend,
    tensors: dict[str, Tensor],
    catalogue: Catalogue,
    users: InteractionLog | None,
    description: dict[str, Any],
    dtype: torch.dtype,
    copy_base: bool | None,
) -> None:
    """Write the folder of an LE; see :meth:`LanguageEnvironment.save_pretrained`.

    Args:
        folder: where an LE stands there it is replaced.
        backend: the language model, with its adapter.
        tensors: of heads.safetensors.
        catalogue: the items.
        users: held-out users, if any go along.
        description: what config.json says beside the format, the base model and the versions.
        dtype: of the language model's stored numbers.
        copy_base: whether the base model's weights go along, None for where they are small.
    """
    language_model = None if isinstance(backend, NullLM) else _learning_backend(backend)
    copied = False
    packages = ("torch", "transformers", "peft")
    with atomic_path(folder, replaces={OLD_CATALOGUE}) as temporary:
        temporary.mkdir()
        if language_model is not None:
            from llmrec_env.language.lm.saving import save_language_model

            copied = save_language_model(language_model, temporary, dtype, copy_base)
        name = None if language_model is None else language_model.name
        save_file(tensors, temporary / "heads.safetensors")
        catalogue.save(temporary / CATALOGUE)
        if users is not None:
            users.save(temporary / "users.parquet")
        known = {
            "format": FORMAT,
            "silent": language_model is None,
            "base_model": None if copied else name,
            "base_name": name,
            "versions": {package: importlib.metadata.version(package) for package in packages},
        }
        write_json(temporary / "config.json", known | description)


def _learning_backend(backend: LMBackend) -> TransformersBackend:
    from llmrec_env.language.lm.transformers_backend import TransformersBackend

    if isinstance(backend, TransformersBackend) and backend.can_learn:
        return backend
    raise LLMRecError(
        "this LE was loaded to answer only, its adapter folded into the base model; copy its "
        "folder, or load it with LanguageEnvironment.from_pretrained and save that"
    )
