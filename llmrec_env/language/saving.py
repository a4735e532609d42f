"""Reads and writes the folder of a saved LE, in the layout of Hugging Face.

config.json           format, settings, what learning measured, versions
heads.safetensors     heads, members, item tokens, item features, item words, reward normalisers
text_space.safetensors, tokenizer/    how items were read; see text_space.py
adapter/              the LoRA adapter, as peft writes it
base_model/           tokenizer, and the base model's weights where they go along
catalogue.parquet     the items (catalog.parquet in folders of before version 0.1)
users.parquet         held-out users whose initial histories start episodes
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from llmrec_env.common.errors import DataError, LLMRecError
from llmrec_env.common.files import atomic_path, fingerprint, folder_fingerprint, local_path
from llmrec_env.common.saved_folder import (
    CARD,
    CARD_REPORT,
    CONFIG,
    MANIFEST,
    MODEL_CARD,
    cards_of,
    check_manifest,
    read_config,
    reading,
    write_described,
)
from llmrec_env.common.tensor_files import read_tensors
from llmrec_env.data.catalogue import Catalogue
from llmrec_env.data.log import InteractionLog
from llmrec_env.language.leaving import Leaving
from llmrec_env.language.lm.backend import LMBackend
from llmrec_env.language.lm.null import NullLM
from llmrec_env.language.lm.qwen3 import Qwen3Backend
from llmrec_env.language.saved_checks import HEADS, check_acceptance, check_adapter, check_heads
from llmrec_env.language.text_space import FILE as TEXT_SPACE
from llmrec_env.language.text_space import TextSpace

if TYPE_CHECKING:
    from llmrec_env.language.lm.transformers_backend import TransformersBackend

FORMAT = 1
CATALOGUE = "catalogue.parquet"
OLD_CATALOGUE = "catalog.parquet"  # its name before version 0.1
MAY_CHANGE = ("base_model", "base_name", "base_content", "versions")
"""Keys of config.json that its manifest leaves out: a base model may be moved."""


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
        """Read the folder's description and tensors, and check every file against its manifest.

        Raises:
            LLMRecError: it is no saved LE, of a format that this version cannot read, or not what
                was saved.
        """
        path = local_path(folder, "saved language environment")
        if not (path / CONFIG).exists() or not (path / HEADS).exists():
            raise LLMRecError(
                f"{path} holds no saved language environment ({CONFIG} and {HEADS}); "
                "make one with `llmrec fit` or LanguageEnvironment.save_pretrained"
            )
        description = read_config(path)
        if description.get("format") != FORMAT:
            raise LLMRecError(
                f"{path / CONFIG} has format {description.get('format')!r}, this version reads "
                f"{FORMAT}; fit it again"
            )
        check_manifest(path, description, MAY_CHANGE)
        stored = read_tensors(path / HEADS)
        with reading(path / HEADS):
            check_heads(path / HEADS, stored)
        tensors = {n: v.float() if v.is_floating_point() else v.long() for n, v in stored.items()}
        return cls(path, description, tensors)

    @property
    def fingerprint(self) -> str:
        """A short name of what the folder holds; its manifest's, where it has one."""
        manifest = self.description.get(MANIFEST)
        if manifest is None:
            return saved_fingerprint(self.folder)
        return fingerprint([json.dumps(manifest, sort_keys=True)])

    def backend(self, dtype: torch.dtype, fold: bool) -> LMBackend:
        """The language model; with ``fold``, where it can, the fast one that only answers."""
        if self.description.get("silent", False) and not (self.folder / "adapter").exists():
            return NullLM(self.tensors["item_tokens"].shape[1])
        own, adapter = self.folder / "base_model", self.folder / "adapter"
        name = self.description.get("base_model")
        check_adapter(adapter, self.description["config"])
        with reading(own / CONFIG):
            fast = fold and name is None and Qwen3Backend.reads(own)
        if fast:
            return Qwen3Backend.load(own, adapter, dtype)
        from llmrec_env.language.lm.pretrained import load_base_model
        from llmrec_env.language.lm.saving import check_base
        from llmrec_env.language.lm.transformers_backend import TransformersBackend

        base, tokenizer = load_base_model(
            name or own,
            dtype,
            self.description["config"].get("layers"),
            self.description.get("base_content"),
        )
        check_base(base, self.description.get(MANIFEST, {}).get("base_model", {}), name or own)
        return TransformersBackend(base, tokenizer, self.description.get("base_name"))

    @cached_property
    def catalogue(self) -> Catalogue:
        """The items, as many as there are item tokens."""
        catalogue = saved_catalogue(self.folder)
        if len(catalogue) != self.description.get("n_items", len(catalogue)):
            raise DataError(
                f"{self.folder}: the saved catalogue has {len(catalogue)} items, and {CONFIG} says "
                f"{self.description['n_items']}; copy the folder again from where it came"
            )
        return catalogue

    @property
    def users(self) -> InteractionLog | None:
        """The held-out users, if any were saved."""
        path = self.folder / "users.parquet"
        if not path.exists():
            return None
        with reading(path):
            return InteractionLog.load(path, self.catalogue)

    @property
    def text_space(self) -> TextSpace | None:
        """How the items were read, if the LE was saved with an account of it."""
        described = self.description.get("text_space")
        if described is None:
            return None
        with reading(self.folder / TEXT_SPACE):
            return TextSpace.open(self.folder, described)

    @property
    def record(self) -> dict[str, Any]:
        """What learning measured; its calibrated acceptance and chance of leaving checked, where
        there are any."""
        with reading(self.folder / CONFIG):
            record: dict[str, Any] = self.description["record"]
            check_acceptance(self.folder / CONFIG, record)
            Leaving.of(record)
            return record

    def restore_adapter(self, backend: LMBackend, fold: bool) -> None:
        """Put the learned adapter into what :meth:`backend` gave, once it has one."""
        if not backend.can_learn or isinstance(backend, NullLM):
            return
        from llmrec_env.language.lm.saving import load_adapter

        adapted = _learning_backend(backend)
        load_adapter(adapted.causal_lm, self.folder / "adapter")
        if fold:
            adapted.fold()


def saved_catalogue(folder: Path) -> Catalogue:
    """The items of a saved LE, under either name of their file.

    Raises:
        DataError: the file is missing or damaged.
    """
    old = folder / OLD_CATALOGUE
    path = old if old.exists() else folder / CATALOGUE
    with reading(path):
        return Catalogue.load(path)


def saved_fingerprint(folder: Path) -> str:
    """The fingerprint of a saved LE's files, the same under either name of its catalogue, with a
    card beside them and without one."""
    without = (CARD, CARD_REPORT, MODEL_CARD)
    return folder_fingerprint(folder, {CATALOGUE: OLD_CATALOGUE}, without)


def write_folder(
    folder: str | os.PathLike[str],
    backend: LMBackend,
    tensors: dict[str, Tensor],
    catalogue: Catalogue,
    users: InteractionLog | None,
    description: dict[str, Any],
    dtype: torch.dtype,
    copy_base: bool | None,
    text_space: TextSpace | None = None,
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
        text_space: how the items were read, where that is known.
    """
    language_model = None if isinstance(backend, NullLM) else _learning_backend(backend)
    copied, elsewhere, content = False, {}, None
    packages = ("torch", "transformers", "peft")
    with atomic_path(folder, replaces={OLD_CATALOGUE} | cards_of(Path(folder))) as temporary:
        temporary.mkdir()
        if language_model is not None:
            from llmrec_env.language.lm.gguf_files import converted_key
            from llmrec_env.language.lm.saving import base_lines, save_language_model

            copied = save_language_model(language_model, temporary, dtype, copy_base)
            if not copied:
                elsewhere = base_lines(language_model.base_model)
                content = converted_key(language_model.base_model.name_or_path)
        name = None if language_model is None else language_model.name
        save_file(tensors, temporary / HEADS)
        if text_space is not None:
            text_space.save(temporary)
            description = {**description, "text_space": text_space.description}
        catalogue.save(temporary / CATALOGUE)
        if users is not None:
            users.save(temporary / "users.parquet")
        known = {
            "format": FORMAT,
            "silent": language_model is None,
            "base_model": None if copied else name,
            "base_name": name,
            "base_content": content,
            "versions": {package: importlib.metadata.version(package) for package in packages},
        }
        about = {"catalogue": catalogue.fingerprint, "base_model": elsewhere}
        write_described(temporary, known | description, MAY_CHANGE, about)


def _learning_backend(backend: LMBackend) -> TransformersBackend:
    from llmrec_env.language.lm.transformers_backend import TransformersBackend

    if isinstance(backend, TransformersBackend) and backend.can_learn:
        return backend
    raise LLMRecError(
        "this LE was loaded to answer only, its adapter folded into the base model; copy its "
        "folder, or load it with LanguageEnvironment.from_pretrained and save that"
    )
