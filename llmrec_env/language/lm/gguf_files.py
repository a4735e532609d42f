"""Language models in GGUF files: converted once to a folder of safetensors, kept in the cache.

transformers reads the file and makes plain numbers of its packed ones; nothing of it is run. The
folder's name is a fingerprint of the file's content: a file that was moved, or is gone, finds its
conversion again, and another file of the same name gets one of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from llmrec_env.common.errors import LLMRecError
from llmrec_env.common.extras import require
from llmrec_env.common.files import (
    atomic_path,
    cache_folder,
    check_writable,
    fingerprint,
    read_json,
    write_json,
)
from llmrec_env.common.progress import progress_bar
from llmrec_env.common.tensor_files import refuse_pointer
from llmrec_env.language.lm.trial import check_architecture

FORMAT = "1"  # part of the folder's name: raise it when the conversion changes
SOURCE = "gguf.json"
"""In a converted folder: the name of the file that it was made of, and its fingerprint."""
LARGE = 1_000_000_000
"""Numbers in a file from which on they are kept in bfloat16, not in float32."""
MAGIC = b"GGUF"


def gguf_file(name: str | os.PathLike[str]) -> Path | None:
    """The GGUF file that a name means: the file itself, or the only one in a folder of no other.

    Raises:
        LLMRecError: the folder holds several, or there is no such file.
    """
    path = Path(name).expanduser()
    if path.suffix.lower() == ".gguf" and not path.is_dir():
        if not path.is_file():
            raise LLMRecError("there is no such file")
        return path
    if not path.is_dir() or (path / "config.json").exists():
        return None
    found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".gguf")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise LLMRecError(f"the folder holds {len(found)} GGUF files, name one of them: {names}")
    return found[0] if found else None


def converted(file: Path) -> Path:
    """The folder of a GGUF file's model, made where the cache has none of this content.

    Raises:
        MissingExtraError: the package gguf is not installed.
        LLMRecError: the file is damaged, of an architecture that transformers does not read from
            such files, or one part of several.
    """
    _check_magic(file)
    key = content_key(file)
    folder = converted_folder(key)
    if not (folder / SOURCE).exists():
        _convert(file, folder, key)
    return folder


def converted_folder(key: str) -> Path:
    """Where the conversion of a file with this :func:`content_key` stands, or would."""
    return cache_folder() / "gguf" / key


def content_key(file: Path) -> str:
    """A short name of what a file holds."""
    with file.open("rb") as stream:
        return fingerprint([FORMAT, *iter(partial(stream.read, 1 << 22), b"")])


def converted_key(folder: str | None) -> str | None:
    """The :func:`content_key` of the file that a folder was made of; None where of none."""
    path = Path(folder or "") / SOURCE
    return str(read_json(path)["key"]) if path.is_file() else None


def _check_magic(file: Path) -> None:
    refuse_pointer(file)
    with file.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise LLMRecError("it is damaged, or no GGUF file: it does not begin as one")


def _convert(file: Path, folder: Path, key: str) -> None:
    dtype = _checked_dtype(file)
    check_writable(folder, "the cache, which $LLMREC_CACHE moves")
    place: dict[str, Any] = {"gguf_file": file.name, "trust_remote_code": False}
    parent = str(file.parent)
    # transformers and its tokenizers draw bars of their own
    with progress_bar(f"convert {file.name}", None), contextlib.redirect_stderr(io.StringIO()):
        config = AutoConfig.from_pretrained(parent, **place)
        check_architecture(config)
        model = AutoModelForCausalLM.from_pretrained(parent, dtype=dtype, **place)
        tokenizer = AutoTokenizer.from_pretrained(parent, **place)
    with atomic_path(folder) as temporary:
        tokenizer.save_pretrained(temporary)
        config = model.config  # without the file's packing, of which nothing is left
        vars(config).pop("quantization_config", None)
        config.save_pretrained(temporary)
        save_file(_weights(model), temporary / "model.safetensors", metadata={"format": "pt"})
        write_json(temporary / SOURCE, {"name": file.name, "key": key})


def _weights(model: Any) -> dict[str, torch.Tensor]:
    tied = set(getattr(model, "_tied_weights_keys", None) or [])
    left_out = tied if model.config.tie_word_embeddings else set()
    weights = model.state_dict().items()
    return {name: value.contiguous().clone() for name, value in weights if name not in left_out}


def _checked_dtype(file: Path) -> torch.dtype:
    """The number format of the conversion; refuses what a look at the file's head can."""
    reader_of = require("gguf", "gguf").GGUFReader
    try:
        reader = reader_of(file)
    except Exception as error:  # it raises whatever a wrong number leads to
        raise LLMRecError(
            "the GGUF file is damaged or cut short; copy it again from where it came "
            f"({type(error).__name__})"
        ) from error
    parts = reader.get_field("split.count")
    if parts is not None and int(parts.contents()) > 1:
        raise LLMRecError(
            f"it is one part of {int(parts.contents())}; join them first (llama-gguf-split --merge)"
        )
    kind = reader.get_field("general.type")
    if kind is not None and kind.contents() != "model":
        raise LLMRecError(f"the GGUF file holds no language model but of type {kind.contents()!r}")
    if not reader.tensors:
        raise LLMRecError("the GGUF file holds no weights")
    numbers = sum(int(tensor.n_elements) for tensor in reader.tensors)
    return torch.float32 if numbers < LARGE else torch.bfloat16
